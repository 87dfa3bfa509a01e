"""Words that carry grammar and not the subject: a query drops them while others remain.

Only words that are no content words of another language: German "war" and French "comment" are not among them,
the ranking makes little of frequent words anyway. Question words matter most, since documents seldom hold them.
"""

import re
from typing import Final

_SPACED: Final = """
a an the this that these those some any each either neither both such
i me my we us our you your he him his she her it its they them their one's
is am are was were be been being do does did done doing have has had having
can could may might must shall should will would
who whom whose what which when where why how whether
and or nor but if then than so because since while although though as
of in on onto into at by for from to with about between among during upon
no not only just very too also there here please tell explain describe
don doesn didn isn aren wasn weren won wouldn couldn shouldn hasn haven hadn

der das dem des ein eine einen einem einer eines und oder nicht ist sind wird werden wurde wurden
ich er sie es wir wer wem wen wie wo wann warum wieso weshalb wofür womit wodurch
welche welcher welches welchen welchem wieviel wieviele viele
von vom zu zum zur im auf aus bei nach für über um als auch sich kann

que qué quien quién quienes cual cuál cuales cuáles cómo como cuando cuándo donde dónde cuanto cuánto cuantos
cuántos cuántas el de del en y es se su sus una unos unas al lo por para con

quel quelle quels quelles qui quoi où combien pourquoi quand est ce cette le les du des et dans avec aux sont

quale quali quando dove perché chi cosa quanto quanti quante il gli della dei nel nella che di
qual quais onde quem quantos quantas em um uma não
wat waar wanneer waarom welke hoe hoeveel het een van zijn
vad vem hur vilken vilket vilka varför och att är
co kto gdzie kiedy jak dlaczego jaki jaka jakie który która które ile jest są się
ce cine unde când cum care cât câți câte și
ne nedir nerede nasıl neden hangi kaç ve bir bu için ile mi mı mu

что кто где когда как какой какая какое какие какого какую каком каким каких почему зачем сколько чем чего кем
кого чей и в во на с со по из к о об от до для не это был была было были ли же бы его её их он она они
который которая которое которые
що хто де коли як чому який яка яке які скільки та у з є

τι ποιος ποια ποιο ποιοι ποιες πότε πού πώς γιατί πόσο πόσα πόσοι και το του της τον την των ο η οι τα στο στη
είναι από με για σε που

ما ماذا من متى أين كيف لماذا كم هل أي في على إلى عن التي الذي هو هي هذا هذه أن إن كان كانت مع

क्या कौन कब कहाँ कहां कैसे क्यों कितने कितना कितनी किस किसने किसे के का की में से है हैं था थे थी और को ने पर
gì nào đâu sao nhiêu là của và có được
"""

WORDS: Final = frozenset(_SPACED.split())

# Question words of scripts without spaces, cut out of a question before its characters are paired.
QUESTIONS: Final = re.compile(
    "为什么|為什麼|什么|什麼|甚麼|多少|哪些|哪个|哪個|哪里|哪裡|哪裏|哪一|哪|谁|誰|怎么样|怎么|怎麼|怎样|怎樣|如何"
    "|何时|何時|为何|為何|多久|几个|幾個|吗|嗎|呢|请问|請問"
    "|何ですか|何でしょう|何か|何が|何を|何年|何人|何"
    "|무엇|어떤|누구|누가|언제|어디|어떻게|무슨|얼마나"
    "|อะไร|ที่ไหน|เมื่อไร|เมื่อไหร่|เมื่อใด|ใคร|อย่างไร|เท่าไร|เท่าไหร่|เท่าใด|ทำไม|กี่|ใด|ไหน|หรือไม่"
)
