// What both sides said, on the page.

const log = document.getElementById("log");

export class Transcript {
  #replies = new Map(); // by turn_id, while they grow

  clear() {
    log.replaceChildren();
    this.#replies.clear();
  }

  // What was said before, above what has been said since.
  remember(history) {
    log.prepend(...history.map(({ role, text }) => line(text, sideOf(role))));
    scrollDown();
  }

  said(role, text) {
    this.#add(text, sideOf(role));
  }

  replyGrows(turnId, text) {
    const reply = this.#replies.get(turnId);
    if (reply) reply.append(text);
    else this.#replies.set(turnId, this.#add(text, "theirs"));
    scrollDown();
  }

  replyEnds(turnId, interrupted) {
    this.#replies.get(turnId)?.classList.toggle("interrupted", interrupted);
    this.#replies.delete(turnId);
  }

  #add(text, side) {
    const added = line(text, side);
    log.append(added);
    scrollDown();
    return added;
  }
}

function sideOf(role) {
  return role === "user" ? "mine" : "theirs";
}

function line(text, side) {
  const paragraph = document.createElement("p");
  paragraph.className = side;
  paragraph.textContent = text;
  return paragraph;
}

function scrollDown() {
  log.scrollTop = log.scrollHeight;
}
