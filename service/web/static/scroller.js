// Where the reader is in the conversation. A new turn goes to the top of the view and its answer grows below it
// without moving anything; who goes to the end is kept there while it grows.

const NEAR = 48; // pixels from the end that still count as being there

export class Scroller {
  #box;
  #content;
  #button;
  #following = false;
  #top = 0; // where the view was last

  /** `box` scrolls `content`; `button` leads to the end and shows while there is text below the view. */
  constructor(box, content, button) {
    this.#box = box;
    this.#content = content;
    this.#button = button;
    box.addEventListener("scroll", () => this.#moved(), { passive: true });
    button.addEventListener("click", () => this.toEnd());
    const observer = new ResizeObserver(() => this.#resized());
    observer.observe(box);
    observer.observe(content);
  }

  /** Whether nothing stands below the view. */
  get atEnd() {
    return this.#below() < NEAR;
  }

  /** Bring the newest turn to the top; what there is in its place from its beginning. */
  toNewestTurn() {
    this.#following = false;
    const turn = this.#turn;
    this.#box.scrollTop = turn ? turn.offsetTop - this.#content.offsetTop : 0;
    this.#resized();
  }

  /** Insert something above what is read without moving it. */
  keepingPlace(insert) {
    const { scrollTop, scrollHeight } = this.#box;
    insert();
    this.#box.scrollTop = scrollTop + this.#box.scrollHeight - scrollHeight;
  }

  /** Bring the end into view, and keep it there while it grows. */
  toEnd() {
    this.#following = true;
    this.#resized();
  }

  get #turn() {
    return this.#content.querySelector(".turn:last-child");
  }

  #resized() {
    if (this.#following) this.#box.scrollTop = this.#box.scrollHeight;
    this.#button.hidden = this.atEnd || this.#turn === null;
  }

  #below() {
    const { scrollTop, scrollHeight, clientHeight } = this.#box;
    return scrollHeight - scrollTop - clientHeight;
  }

  #moved() {
    const turn = this.#turn;
    const overflows = turn !== null && turn.offsetHeight > this.#box.clientHeight + NEAR;
    const { scrollTop: top } = this.#box;
    // Only who goes up leaves the end: an end that has moved away since the last scrolling is no one's doing.
    if (this.atEnd) this.#following = overflows;
    else if (top < this.#top) this.#following = false;
    this.#top = top;
    this.#resized();
  }
}
