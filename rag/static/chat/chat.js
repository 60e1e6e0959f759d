// Joins page and API: asking, stopping, choosing, voting, copying.
"use strict";

(() => {
  const page = document.getElementById("chat");
  const [log, pending, status, form, question, send, hint] = "log pending status ask question send hint"
    .split(" ")
    .map((id) => document.getElementById(id));
  const conversation = form.elements.namedItem("conversation");
  const longest = Number(page.dataset.questionLength);
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  const precise = window.matchMedia("(pointer: fine)");
  const HINT = "Enter sends, Shift + Enter begins a new line.";
  let asking = null; // the AbortController of the question that is being answered

  const length = (text) => [...text].length;

  function working(controller) {
    asking = controller;
    send.textContent = controller ? "Stop" : "Ask";
    status.textContent = controller ? "Looking…" : "";
    page.classList.toggle("working", Boolean(controller));
  }

  function show(exchange) {
    exchange.element.scrollIntoView({ block: "start", behavior: calm.matches ? "auto" : "smooth" });
  }

  async function ask(text) {
    const exchange = new Chat.Exchange(text);
    const controller = new AbortController();
    page.classList.add("talking");
    pending.replaceChildren(exchange.element);
    working(controller);
    show(exchange);
    try {
      const answer = await Chat.ask(
        `${page.dataset.address}?did_you_mean=1`,
        { question: text, conversation: conversation.value || null },
        { onDelta: (piece) => exchange.delta(piece), signal: controller.signal },
      );
      conversation.value = answer.conversation;
      exchange.done(answer);
    } catch (problem) {
      exchange.failed(problem);
    }
    working(null);
    // Only now is it read out: a log tells what is added to it, and half sentences are no use to anybody.
    log.append(exchange.element);
  }

  function submitted(text) {
    if (asking || !text.trim() || length(text) > longest) return;
    question.value = "";
    typed();
    ask(text.trim());
  }

  function typed() {
    const over = length(question.value) - longest;
    hint.textContent = over > 0 ? `${over} characters too many.` : HINT;
    hint.classList.toggle("over", over > 0);
    question.setAttribute("aria-invalid", String(over > 0));
    if (CSS.supports("field-sizing", "content")) return;
    question.style.height = "auto";
    question.style.height = `${question.scrollHeight}px`;
  }

  /** The button that was pressed is gone: on a touch screen a keyboard must not jump up in its place. */
  function focusAfterChoice() {
    (precise.matches ? question : log).focus({ preventScroll: true });
  }

  async function vote(article, value, reason) {
    const part = (name) => article.querySelector(`[data-part=${name}]`);
    const told = part("told");
    try {
      const kept = await Chat.vote(`${page.dataset.address}${article.dataset.id}/feedback/`, { vote: value, reason });
      for (const button of article.querySelectorAll("[data-vote]"))
        button.setAttribute("aria-pressed", String(button.dataset.vote === kept.vote));
      part("reason").hidden = kept.vote !== "down" || Boolean(reason);
      told.textContent = kept.vote ? "Thank you." : "Taken back.";
    } catch (problem) {
      told.textContent =
        problem.code === "not_found" ? "This answer can no longer be rated." : "That was not sent. Try again.";
    }
  }

  async function copy(article) {
    const told = article.querySelector("[data-part=told]");
    try {
      await navigator.clipboard.writeText(article.dataset.id);
      told.textContent = "Copied.";
    } catch {
      told.textContent = article.dataset.id; // no permission, or no HTTPS: it can still be selected
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!asking) submitted(question.value);
  });
  send.addEventListener("click", (event) => {
    if (!asking) return;
    event.preventDefault();
    asking.abort();
    question.focus();
  });
  question.addEventListener("input", typed);
  question.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submitted(question.value);
  });

  document.addEventListener("submit", (event) => {
    const article = event.target.closest("article");
    if (event.target.matches("[data-asks]")) {
      event.preventDefault();
      if (asking) return;
      focusAfterChoice();
      submitted(event.submitter.value);
    }
    if (event.target.matches("[data-part=reason]")) {
      event.preventDefault();
      const field = event.target.elements.namedItem("reason");
      if (field.value.trim()) vote(article, "down", field.value.trim());
      article.querySelector("[data-vote=down]").focus();
    }
  });
  log.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    const article = event.target.closest("article");
    if (!button) return;
    if ("copy" in button.dataset) copy(article);
    if ("vote" in button.dataset)
      vote(article, button.getAttribute("aria-pressed") === "true" ? null : button.dataset.vote);
    if ("retry" in button.dataset && !asking) {
      const again = article.querySelector("[data-part=question]").textContent;
      article.remove();
      focusAfterChoice();
      ask(again);
    }
  });

  // What the server rendered needs no script, but may be voted on with one.
  for (const tools of log.querySelectorAll("[data-id] [data-part=tools]")) tools.hidden = false;
  typed();
  if (precise.matches) question.focus({ preventScroll: true });
})();
