// What both sides said, on the page.

const log = document.getElementById("log");

export class Transcript {
  #replies = new Map(); // by turn_id, while they grow

  clear() {
    log.replaceChildren();
    this.#replies.clear();
  }

  // What was said before, above what has been said since; the youngest of it is looked at first.
  remember(history, youngest) {
    log.prepend(...linesOf(history));
    if (youngest) scrollDown();
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

// Utterances as the server has them, without what nobody said; the moment of each shows when it is pointed at.
export function linesOf(history) {
  return history
    .filter(({ role }) => role !== "system")
    .map(({ role, text, at }) => {
      const paragraph = line(text, sideOf(role));
      paragraph.title = new Date(at * 1000).toLocaleString();
      return paragraph;
    });
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
