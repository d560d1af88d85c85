// Takes the results of this page anew whenever the server says that a run went on.
"use strict";
(() => {
  const REST_MS = 400;
  let source = null;
  let waiting = false;
  let busy = false;

  const line = () => document.querySelector("[data-connection]");
  const say = (text) => {
    const place = line();
    if (place && place.textContent !== text) place.textContent = text;
  };

  async function take() {
    if (busy) {
      waiting = true;
      return;
    }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const summary = fresh.querySelector(".r-summary");
      const results = fresh.getElementById("results");
      const open = new Set([...document.querySelectorAll("#results details[open]")].map((one) => one.id).filter(Boolean));
      const held = document.activeElement && document.activeElement.id;
      if (summary) document.querySelector(".r-summary")?.replaceWith(summary);
      if (results) document.getElementById("results").replaceWith(results);
      for (const id of open) document.getElementById(id)?.setAttribute("open", "");
      if (held) document.getElementById(held)?.focus({ preventScroll: true });
      say("Live: this page follows the runs as they go.");
    } catch {
      say("The server does not answer; what is shown is the last that it said.");
    }
    busy = false;
    if (waiting) {
      waiting = false;
      setTimeout(take, REST_MS);
    }
  }

  function listen() {
    const place = line();
    if (!place || !window.EventSource) return;
    source = new EventSource(place.dataset.events);
    let seen = null;
    let alive = null;
    source.addEventListener("state", (event) => {
      const state = JSON.parse(event.data);
      const now = state.runs.filter((run) => run.is_alive).length;
      if (alive !== null && now !== alive) {
        const status = document.getElementById("status");
        if (status) status.textContent = now === 1 ? "1 run is going on." : `${now} runs are going on.`;
      }
      alive = now;
      if (seen === null) say("Live: this page follows the runs as they go.");
      if (seen !== state.version) take();
      seen = state.version;
    });
    source.addEventListener("error", () => say("The connection is lost; trying again."));
  }

  // A page that nobody sees needs no stream.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      source?.close();
      source = null;
    } else if (!source) {
      listen();
    }
  });
  addEventListener("pagehide", () => source?.close());
  if (!document.hidden) listen();
})();
