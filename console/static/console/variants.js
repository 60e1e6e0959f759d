// The variants as one field each. The textarea stays, holds them as lines, and is what is sent.
"use strict";

(() => {
  function start() {
    const area = document.querySelector("textarea#id_variants:not([readonly]):not([disabled])");
    if (!area) return;
    const list = document.createElement("ol");
    list.className = "variants";
    const add = document.createElement("button");
    add.type = "button";
    add.className = "variants-add";
    add.textContent = "Add a variant";
    const told = document.createElement("p");
    told.className = "sr-only";
    told.setAttribute("role", "status");

    const rows = () => [...list.querySelectorAll("input")];

    function keep() {
      area.value = rows().map((input) => input.value).join("\n");
      rows().forEach((input, n) => {
        input.setAttribute("aria-label", `Variant ${n + 1}`);
        input.nextElementSibling.setAttribute("aria-label", `Remove variant ${n + 1}`);
      });
      area.dispatchEvent(new Event("input", { bubbles: true }));
    }

    function row(text, after) {
      const item = document.createElement("li");
      const input = document.createElement("input");
      input.type = "text";
      input.className = area.className;
      input.value = text;
      input.dir = "auto";
      const remove = document.createElement("button");
      remove.type = "button";
      remove.textContent = "×";
      remove.addEventListener("click", () => drop(item));
      item.append(input, remove);
      after ? after.after(item) : list.append(item);
      return input;
    }

    function drop(item) {
      const next = (item.nextElementSibling || item.previousElementSibling || { querySelector: () => add }).querySelector("input") || add;
      item.remove();
      keep();
      told.textContent = `Removed. ${rows().length} variants.`;
      next.focus();
    }

    list.addEventListener("input", keep);
    list.addEventListener("keydown", (event) => {
      if (event.target.tagName !== "INPUT" || event.isComposing) return;
      const item = event.target.closest("li");
      if (event.key === "Enter") {
        event.preventDefault(); // or the form would be sent
        row("", item).focus();
        keep();
      } else if (event.key === "Backspace" && !event.target.value) {
        event.preventDefault();
        drop(item);
      }
    });
    list.addEventListener("paste", (event) => {
      const pasted = event.clipboardData.getData("text").split(/\r?\n/).filter((line) => line.trim());
      if (event.target.tagName !== "INPUT" || pasted.length < 2) return;
      event.preventDefault();
      const item = event.target.closest("li");
      let last = item;
      if (!event.target.value) event.target.value = pasted.shift();
      for (const line of pasted) last = row(line, last).closest("li");
      keep();
      last.querySelector("input").focus();
    });
    add.addEventListener("click", () => {
      row("").focus();
      keep();
    });

    area.value.split("\n").filter((line) => line.trim()).forEach((line) => row(line));
    area.hidden = true;
    area.style.display = "none";
    const holder = document.createElement("div");
    holder.className = "variants-holder";
    holder.setAttribute("role", "group");
    holder.setAttribute("aria-label", "Variants");
    holder.append(list, add, told);
    area.after(holder);
    const label = document.querySelector("label[for=id_variants]");
    if (label) label.removeAttribute("for");
    rows().forEach((input, n) => {
      input.setAttribute("aria-label", `Variant ${n + 1}`);
      input.nextElementSibling.setAttribute("aria-label", `Remove variant ${n + 1}`);
    });
  }

  document.addEventListener("DOMContentLoaded", start);
})();
