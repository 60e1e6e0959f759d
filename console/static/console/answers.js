/* Keys in lists, and the playground's form. Everything works without. */
"use strict";

(() => {
  const rows = () => [...document.querySelectorAll("[data-row]")];
  const typing = (target) => target.closest("input, textarea, select, [contenteditable], dialog");

  function move(step) {
    const links = rows();
    const at = links.indexOf(document.activeElement);
    links[Math.min(links.length - 1, Math.max(0, at < 0 ? 0 : at + step))]?.focus();
  }

  document.addEventListener("keydown", (event) => {
    if (event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented || typing(event.target)) return;
    if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "/") document.querySelector("[data-search]")?.focus();
    else return;
    event.preventDefault();
  });

  const play = document.querySelector("[data-play]");
  if (!play) return;

  const compare = play.querySelector("[name=compare]");
  const second = play.querySelector("[data-setting=b]");
  const show = () => { second.hidden = !compare.checked; };
  compare.addEventListener("change", show);
  show();

  play.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) play.requestSubmit();
  });
  play.addEventListener("submit", () => {
    const button = play.querySelector("[type=submit]");
    button.textContent = "Asking…";
    button.setAttribute("aria-disabled", "true");
    play.classList.add("sf-busy");
  });
  window.addEventListener("pageshow", () => { // back again by the browser's button
    play.classList.remove("sf-busy");
    play.querySelector("[type=submit]").textContent = "Ask";
  });

  const results = document.getElementById("results");
  if (results) results.scrollIntoView({ block: "nearest" });
})();
