/* The playground's form. Everything works without. */
"use strict";

(() => {
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
