/* Dialogs of acts, and what a screen reader hears of jobs. Without this file the same acts are pages of their own. */
"use strict";

(() => {
  let dialog;

  function theDialog() {
    if (!dialog) {
      dialog = document.createElement("dialog");
      dialog.className = "sf-dialog";
      dialog.setAttribute("aria-labelledby", "act-title");
      dialog.addEventListener("click", (event) => {
        if (event.target === dialog || event.target.closest("[data-close]")) {
          event.preventDefault();
          dialog.close(); // the browser gives the focus back to what opened it
        }
      });
      document.body.append(dialog);
    }
    return dialog;
  }

  async function open(link) {
    const response = await fetch(link.href, {
      headers: { "X-Dialog": "1", "X-From": location.pathname + location.search },
      redirect: "error",
    });
    if (!response.ok) throw new Error(response.status);
    const shown = theDialog();
    shown.innerHTML = await response.text();
    if (!shown.open) shown.showModal();
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-act]");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    open(link).catch(() => location.assign(link.href)); // signed out, or no longer allowed: the page says so
  });

  // A form that was sent stays as it is: a second press does nothing.
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-once]")) return;
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "1";
  });

  // Only the change is said, and politely: "reindex #4: succeeded".
  document.addEventListener("htmx:beforeSwap", (event) => {
    const before = event.detail.target?.dataset?.jobState;
    if (!before) return;
    const after = /data-job-state="([a-z]+)"/.exec(event.detail.serverResponse)?.[1];
    if (!after || after === before) return;
    const said = document.getElementById("job-status");
    if (said) said.textContent = `${event.detail.target.dataset.jobName}: ${after}`;
  });

  // A part that polls must not lose the focus of somebody who is in it.
  let focused = "";
  document.addEventListener("htmx:beforeSwap", (event) => {
    const here = document.activeElement;
    focused = event.detail.target?.contains(here) && here.id ? here.id : "";
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (focused) document.getElementById(focused)?.focus();
    focused = "";
  });

  // In a narrow window the tabs scroll sideways: the lit one is brought into view.
  document.addEventListener("DOMContentLoaded", () => {
    const lit = document.querySelector("#tabs-items > .active");
    const row = lit?.closest("#tabs-wrapper > div");
    if (row) row.scrollLeft += lit.getBoundingClientRect().right - row.getBoundingClientRect().right;
  });
})();
