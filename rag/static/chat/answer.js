// One question with its answer on the page. Answers become text nodes and links, never markup.
"use strict";

Chat.Exchange = (() => {
  const LINK = /https?:\/\/[^\s<>"'`]+/gi;
  const TRAILING = ".,;:!?)]}»”\u2019…";
  const page = document.getElementById("chat");
  const words = JSON.parse(page.dataset.wordings);

  function isAddress(text) {
    try {
      return Boolean(new URL(text).hostname);
    } catch {
      return false;
    }
  }

  /** Without the signs that end the sentence; a bracket that the address itself opened belongs to it. */
  function withoutTrailing(address) {
    const count = (sign) => address.split(sign).length - 1;
    while (address && TRAILING.includes(address.at(-1))) {
      if (address.endsWith(")") && count("(") >= count(")")) break;
      address = address.slice(0, -1);
    }
    return address;
  }

  function link(text, href, rel) {
    const element = document.createElement("a");
    element.textContent = text;
    Object.assign(element, { href, rel, target: "_blank", dir: "auto" });
    return element;
  }

  /** The text with its http(s) addresses as links: what presentation.linked does on the server. */
  function linked(text) {
    const nodes = [];
    let done = 0;
    for (const match of text.matchAll(LINK)) {
      const address = withoutTrailing(match[0]);
      if (!isAddress(address)) continue;
      nodes.push(text.slice(done, match.index), link(address, address, "noopener nofollow ugc"));
      done = match.index + address.length;
    }
    return [...nodes, text.slice(done)];
  }

  function note(degraded) {
    const missing = [...new Set(degraded.map((stage) => words.missing[stage] ?? words.missingElse))];
    return missing.length ? `Answered without ${missing.join(" and ")}, which cannot be reached right now.` : "";
  }

  /** What stands before and after the questions that are shown as buttons instead of a list. */
  function aroundList(text, questions) {
    const offered = new Set(questions.map((question) => `• ${question}`));
    const lines = text.split("\n");
    const first = lines.findIndex((line) => offered.has(line));
    if (first < 0) return [text, ""];
    const rest = lines.slice(first).filter((line) => !offered.has(line));
    return [lines.slice(0, first).join("\n").trim(), rest.join("\n").trim()];
  }

  function item(child) {
    const element = document.createElement("li");
    element.append(child);
    return element;
  }

  function choice(question) {
    const button = document.createElement("button");
    Object.assign(button, { className: "choice", name: "question", value: question, textContent: question, dir: "auto" });
    return item(button);
  }

  return class Exchange {
    constructor(question) {
      this.element = document.getElementById("exchange").content.firstElementChild.cloneNode(true);
      this.put("question", question);
      this.part("looking").hidden = false;
    }

    part(name) {
      return this.element.querySelector(`[data-part=${name}]`);
    }

    put(name, text) {
      this.part(name).textContent = text;
      this.part(name).hidden = !text;
    }

    delta(text) {
      this.part("text").append(text);
    }

    /** The finished answer replaces whatever was streamed. */
    done(answer) {
      const unsure = answer.answered_by === "suggestions";
      const choices = (unsure ? answer.sources : (answer.did_you_mean ?? [])).map((source) => source.question);
      this.element.dataset.id = answer.id;
      this.part("looking").hidden = true;
      this.put("byline", words.bylines[answer.answered_by] ?? "");
      const [before, after] = aroundList(answer.answer, choices);
      this.part("text").replaceChildren(...linked(before));
      this.part("rest").replaceChildren(...linked(after));
      this.part("rest").hidden = !after;
      this.put("note", note(answer.degraded));
      this.sources(answer.sources.slice(0, words.sourcesShown[answer.answered_by] ?? 1));
      this.choices(unsure ? "" : "Did you mean", choices.slice(0, words.choicesShown));
      this.part("tools").hidden = false;
    }

    sources(sources) {
      const box = this.part("sources");
      box.querySelector("h3").textContent = sources.length > 1 ? "Sources" : "Source";
      box.querySelector("ol").replaceChildren(
        ...sources.map((source) => item(link(source.question, source.url, "noopener"))),
      );
      box.hidden = !sources.length;
    }

    choices(title, questions) {
      const box = this.part("choices");
      box.querySelector("h3").textContent = title;
      box.querySelector("h3").hidden = !title;
      box.querySelector("ul").replaceChildren(...questions.map(choice));
      box.hidden = !questions.length;
    }

    /** What went wrong, with a button that asks again; after a 429 only once its time is over. */
    failed(problem) {
      const box = this.part("problem");
      const button = box.querySelector("[data-retry]");
      box.querySelector("p").textContent = problem.message;
      box.hidden = false;
      this.part("looking").hidden = true;
      let left = problem.code === "rate_limited" ? problem.retryAfter : 0;
      const tick = () => {
        button.disabled = left > 0;
        button.textContent = left > 0 ? `Try again in ${left} s` : "Try again";
        if (left-- > 0) setTimeout(tick, 1000);
      };
      tick();
    }
  };
})();
