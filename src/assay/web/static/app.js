// What scripts add to pages that work without them: charts that can be read point by point, the theme, copying,
// short addresses, and a word to screen readers after results were swapped.
"use strict";
(() => {
  const root = document.documentElement;

  // -- figures -----------------------------------------------------------------------------------------------------

  // Where nothing hovers a finger is to scroll the page, and buttons would lie over the legend.
  const hovers = matchMedia("(hover: hover)").matches;
  const CONFIG = {
    displaylogo: false, responsive: true, scrollZoom: false, showTips: false, displayModeBar: hovers ? "hover" : false,
    modeBarButtons: [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
  };
  const role = /^var:([a-z0-9-]+)(?:\/([0-9.]+))?$/;

  // Colours come as names of roles, under keys that end in "color"; what they are depends on the theme.
  function colour(text, style) {
    const found = role.exec(text);
    if (!found) return text;
    const value = style.getPropertyValue(`--${found[1]}`).trim();
    if (!found[2] || !/^#[0-9a-f]{6}$/i.test(value)) return value;
    return value + Math.round(255 * Number(found[2])).toString(16).padStart(2, "0");
  }
  function resolved(value, style, isColour = false) {
    if (typeof value === "string") return isColour ? colour(value, style) : value;
    if (Array.isArray(value)) {
      return isColour || (value[0] && typeof value[0] === "object") ? value.map((one) => resolved(one, style, isColour)) : value;
    }
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, resolved(one, style, key.endsWith("color"))]));
    }
    return value;
  }

  // Cells keep a readable width: on a phone a heat map is wider than its place, which then scrolls, and its scale lies above.
  const CELL_PX = 34, NAMES_PX = 150, BAR_PX = 200, ABOVE_PX = 64;
  function widen(place, figure) {
    const heat = figure.data.find((trace) => trace.type === "heatmap");
    const wanted = heat ? NAMES_PX + CELL_PX * heat.z[0].length : 0;
    if (!heat || wanted <= place.clientWidth) return;
    figure.layout.width = wanted;
    if (heat.colorbar) {
      const bar = { orientation: "h", x: 0, xanchor: "left", y: 1, yanchor: "bottom", lenmode: "pixels", len: BAR_PX };
      Object.assign(heat.colorbar, bar);
      heat.colorbar.title.side = "top";
      const { legend, margin } = figure.layout;
      if (legend) legend.y = 1 + ABOVE_PX / Math.max(100, figure.layout.height - margin.t - margin.b - NAMES_PX);
      figure.layout.height += ABOVE_PX;
      margin.t += ABOVE_PX;
    }
    place.tabIndex = 0;
    place.classList.add("is-wide");
  }

  function draw(place) {
    const source = document.getElementById(place.dataset.plot);
    if (!source || !window.Plotly) return;
    const content = JSON.parse(source.textContent);
    const figure = resolved(content, getComputedStyle(root));
    if (!hovers) figure.layout.dragmode = false;
    widen(place, figure);
    const drawn = place.classList.contains("is-drawn");
    (drawn ? Plotly.react : Plotly.newPlot)(place, figure.data, figure.layout, CONFIG).then(() => {
      // What it shows is said by the label and the table of its numbers; letters of axes alone say nothing.
      for (const picture of place.querySelectorAll("svg.main-svg")) picture.setAttribute("aria-hidden", "true");
      if (drawn) return;
      for (const sketch of place.querySelectorAll(".first-sight")) sketch.remove();
      place.classList.add("is-drawn");
      place.on("plotly_click", (event) => {
        const link = event.points[0] && event.points[0].customdata;
        if (typeof link === "string" && link.startsWith("/")) location.assign(link);
      });
    });
  }

  // What is below the fold is drawn when it comes near: a page may hold many figures.
  const watcher = "IntersectionObserver" in window
    ? new IntersectionObserver((entries) => {
        for (const entry of entries) {
          if (!entry.isIntersecting) continue;
          watcher.unobserve(entry.target);
          draw(entry.target);
        }
      }, { rootMargin: "600px" })
    : null;

  function begin(part) {
    for (const place of part.querySelectorAll("[data-plot]")) watcher ? watcher.observe(place) : draw(place);
    for (const button of part.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard;
    settle(part);
  }

  function again() {
    for (const place of document.querySelectorAll(".is-drawn")) draw(place);
  }

  // -- theme -------------------------------------------------------------------------------------------------------

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const toggle = document.querySelector("[data-theme-toggle]");

  function name() {
    if (toggle) toggle.setAttribute("aria-label", isDark() ? "Use the light theme" : "Use the dark theme");
  }

  if (toggle) {
    toggle.hidden = false;
    name();
    toggle.addEventListener("click", () => {
      const wanted = isDark() ? "light" : "dark";
      const follows = (wanted === "dark") === dark.matches;
      if (follows) delete root.dataset.theme;
      else root.dataset.theme = wanted;
      try {
        if (follows) localStorage.removeItem("assay-theme");
        else localStorage.setItem("assay-theme", wanted);
      } catch { /* storage is off: the choice lasts for this page */ }
      name();
      again();
    });
  }
  dark.addEventListener("change", () => { name(); again(); });

  // -- copying, ticking --------------------------------------------------------------------------------------------

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });

  function settle(part) {
    const button = (part.matches && part.matches("[data-choose]") ? part : part.querySelector("[data-choose]"));
    if (button) button.disabled = document.querySelectorAll('input[form="choose"]:checked').length !== 2;
  }
  document.addEventListener("change", (event) => {
    if (event.target.matches('input[form="choose"]')) settle(document);
  });

  // The menu of a small screen closes where one goes on.
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll(".app-menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll(".app-menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // On a small screen filters are folded away, unless they hold something.
  const narrow = matchMedia("(max-width: 40rem)");
  function fold() {
    for (const filters of document.querySelectorAll(".app-filters")) filters.open = !narrow.matches || "set" in filters.dataset;
  }
  narrow.addEventListener("change", fold);
  fold();

  // -- filters -----------------------------------------------------------------------------------------------------

  // An address holds what was chosen, and neither empty fields nor what is usual.
  document.addEventListener("htmx:config:request", (event) => {
    const { ctx } = event.detail;
    const form = ctx.sourceElement;
    const body = ctx.request.body;
    if (!(form instanceof HTMLFormElement) || !body) return;
    for (const field of [...new Set(body.keys())]) {
      const values = body.getAll(field);
      const control = form.elements[field];
      const usual = control && control.dataset ? control.dataset.usual : control && control.length
        ? control[0].closest("[data-usual]")?.dataset.usual : undefined;
      const isUsual = usual !== undefined && usual !== "" && values.slice().sort().join(" ") === usual.split(" ").sort().join(" ");
      if (isUsual || values.every((value) => value === "")) body.delete(field);
    }
  });

  // Fields that keep what a link set (the sorting) follow the address.
  function keep() {
    const asked = new URLSearchParams(location.search);
    for (const field of document.querySelectorAll("input[data-kept]")) {
      field.value = asked.get(field.name) || "";
      field.disabled = !field.value;
    }
  }

  document.addEventListener("htmx:after:swap", () => {
    const results = document.getElementById("results");
    if (!results) return;
    for (const part of document.querySelectorAll("#main")) begin(part);
    keep();
    if (results.dataset.title) document.title = results.dataset.title;
    const status = document.getElementById("status");
    if (status) status.textContent = results.dataset.status || "";
  });
  // Back and Forward bring the page of that address; its fields show what the address says.
  document.addEventListener("htmx:before:history:restore", () => {
    document.addEventListener("htmx:after:swap", () => {
      for (const form of document.querySelectorAll(".app-form")) form.reset();
      keep();
    }, { once: true });
  });

  begin(document);
})();
