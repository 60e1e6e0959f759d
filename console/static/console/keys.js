/* Keys in lists: j and k move, x selects, / searches, ? shows them all. Everything works without. */
"use strict";

(() => {
  const KEYS = [
    ["j", "the next row"],
    ["k", "the row before"],
    ["Enter", "open the row"],
    ["x", "select the row, where rows can be selected"],
    ["/", "to the search field"],
    ["Esc", "out of the search field, or close what is open"],
    ["Ctrl K", "go anywhere, and what can be done from here"],
    ["?", "this list"],
  ];
  const typing = (target) => target.closest("input:not([type=checkbox]), textarea, select, [contenteditable], dialog");
  const search = () => document.querySelector("[data-search], #searchbar, main input[name=q]");

  function links() {
    const ours = [...document.querySelectorAll("[data-row]")];
    if (ours.length) return ours;
    return [...document.querySelectorAll("#result_list tbody tr")]
      .map((row) => row.querySelector("th a[href], td a[href]"))
      .filter(Boolean);
  }

  const here = () => links().findIndex((link) => rowOf(link).contains(document.activeElement));
  const rowOf = (link) => link.closest("tr, li") ?? link;

  function move(step) {
    const all = links();
    const at = here();
    const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + step))];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
  }

  function select() {
    const at = here();
    if (at >= 0) rowOf(links()[at]).querySelector("input[type=checkbox].action-select")?.click();
  }

  let sheet;
  function explain() {
    if (!sheet) {
      sheet = document.createElement("dialog");
      sheet.className = "sf-dialog";
      sheet.setAttribute("aria-labelledby", "keys-title");
      const lines = KEYS.map(([key, what]) => `<dt><kbd>${key}</kbd></dt><dd>${what}</dd>`).join("");
      sheet.innerHTML = `<form method="dialog" class="sf-act"><h2 id="keys-title">Keys in lists</h2><dl>${lines}</dl>
        <div class="sf-act-buttons"><button class="sf-button">Close</button></div></form>`;
      document.body.append(sheet);
    }
    sheet.showModal(); // the browser gives the focus back when it closes
  }

  document.addEventListener("keydown", (event) => {
    if (event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented) return;
    if (event.key === "Escape" && event.target === search()) return event.target.blur();
    if (typing(event.target)) return;
    if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "x" && here() >= 0) select();
    else if (event.key === "/" && search()) search().focus();
    else if (event.key === "?") explain();
    else return;
    event.preventDefault();
  });
})();
