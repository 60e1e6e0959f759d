// While an entry is written: the answer as askers will see it, and entries that ask nearly the same.
"use strict";

(() => {
  const PAUSE = 500; // milliseconds without a key, after which it is asked

  function start() {
    const panels = document.querySelector("[data-entry-panels]");
    const form = panels && panels.closest("form");
    if (!form) return;
    const frame = panels.querySelector("iframe");
    const fault = panels.querySelector("[data-part=preview-fault]");
    const list = panels.querySelector("[data-part=alike]");

    const preview = asker(form, panels.dataset.preview, (html) => {
      fault.hidden = true;
      frame.srcdoc = html;
    }, (words) => {
      fault.textContent = `The preview cannot be shown: ${words}`;
      fault.hidden = false;
    });
    const alike = asker(form, panels.dataset.alike, (html) => {
      list.innerHTML = html; // from our own server, which escapes what people wrote
    }, (words) => {
      list.textContent = `It cannot be said which entries ask the same: ${words}`;
    });

    frame.addEventListener("load", () => {
      const body = frame.contentDocument && frame.contentDocument.querySelector("main");
      if (body) frame.style.height = `${Math.min(Math.max(body.scrollHeight + 32, 160), 640)}px`;
    });
    form.addEventListener("input", (event) => {
      if (["question", "answer"].includes(event.target.name)) preview();
      if (["question", "variants"].includes(event.target.name)) alike();
    });
    new MutationObserver(() => preview()).observe(document.documentElement, { attributeFilter: ["class"] });
    preview(0);
    alike(0);
  }

  // Asks after a pause, and lets go of what it asked before: only the newest answer is shown.
  function asker(form, address, shown, failed) {
    let timer = 0;
    let asked = null;
    return (pause = PAUSE) => {
      clearTimeout(timer);
      timer = setTimeout(async () => {
        if (asked) asked.abort();
        const mine = asked = new AbortController();
        try {
          const response = await fetch(address, { method: "POST", body: written(form), signal: mine.signal });
          if (!response.ok) throw new Error(response.status === 403 ? "log in again." : `the server answered ${response.status}.`);
          if (response.redirected) throw new Error("log in again.");
          shown(await response.text());
        } catch (error) {
          if (mine === asked && error.name !== "AbortError") failed(error instanceof TypeError ? "the server cannot be reached." : error.message);
        }
      }, pause);
    };
  }

  function written(form) {
    const all = new FormData(form);
    const some = new FormData();
    for (const name of ["csrfmiddlewaretoken", "question", "answer", "variants"]) some.set(name, all.get(name) || "");
    some.set("entry", form.querySelector("[data-entry-panels]").dataset.entry);
    some.set("theme", document.documentElement.classList.contains("dark") ? "dark" : "light");
    return some;
  }

  document.addEventListener("DOMContentLoaded", start);
})();
