/* Sorting, filtering and the theme of a report: comforts only, everything is readable without them. */
(() => {
  "use strict";
  const make = (tag, attributes, text) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text) element.textContent = text;
    return element;
  };

  const addTheme = () => {
    const head = document.querySelector(".r-head");
    if (!head) return;
    const root = document.documentElement;
    const prefersDark = matchMedia("(prefers-color-scheme: dark)");
    const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches);
    const button = make("button", { type: "button", class: "r-button" });
    const label = () => { button.textContent = isDark() ? "Light theme" : "Dark theme"; };
    button.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; label(); });
    prefersDark.addEventListener("change", label);
    label();
    const box = make("div", { class: "r-tools" });
    box.append(button);
    head.append(box);
  };

  /* Numbers and times by their exact value, names by the alphabet; what is not known stays last both ways. */
  const keyOf = (cell) => {
    if (!cell || cell.classList.contains("r-missing")) return null;
    const value = cell.dataset.v;
    return value === undefined ? cell.textContent.trim() : Number(value);
  };
  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a === "number") return -1;
    if (typeof b === "number") return 1;
    return a.localeCompare(b, "en", { numeric: true });
  };

  const addSorting = (table) => {
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, index) => {
      if (head.querySelector("a")) return;
      const button = make("button", { type: "button", class: "r-th-button" });
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const isAscending = head.getAttribute("aria-sort") !== "ascending";
        const rows = [...body.rows].map((row) => [keyOf(row.cells[index]), row]);
        rows.sort(([a], [b]) => {
          if (a === null || b === null) return (a === null) - (b === null);
          return isAscending ? compare(a, b) : compare(b, a);
        });
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", isAscending ? "ascending" : "descending");
        body.append(...rows.map(([, row]) => row));
      });
    });
  };

  const addFilter = (table) => {
    const rows = [...table.tBodies[0].rows];
    if (rows.length < 12) return;
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const label = make("label", { class: "r-filter" }, "Filter rows");
    const input = make("input", { type: "search", autocomplete: "off", spellcheck: "false" });
    const told = make("span", { role: "status" });
    label.append(input, told);
    table.parentElement.before(label);
    input.addEventListener("input", () => {
      const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, index) => {
        row.hidden = !wanted.every((word) => texts[index].includes(word));
        shown += row.hidden ? 0 : 1;
      });
      told.textContent = wanted.length ? `${shown} of ${rows.length}` : "";
    });
  };

  addTheme();
  for (const table of document.querySelectorAll(".r-page .r-table")) {
    if (table.rows.length > 2) addSorting(table);
    addFilter(table);
  }
})();
