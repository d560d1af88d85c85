// What benchmarks/web.py adds to every page: it notes, in ms since navigation began, when a chart was drawn (`plot`: by plotly.js,
// `picture`: any other SVG in a figure) and when a changed filter had its effect (`change`). Each is the second frame after
// the elements are in the document: they are painted by then. A change is over when the page says how many series there
// are now and the line of the chart is another one.
(() => {
  const plotted = () => document.querySelector('.js-plotly-plot .main-svg .trace, .js-plotly-plot .main-svg .scatterlayer path');
  const pictured = () => [...document.querySelectorAll('figure svg')].find(
    svg => svg.getBoundingClientRect().height > 50 && svg.querySelector('path'));
  const line = () => document.querySelector('.js-plotly-plot .scatterlayer .js-line:not([d=""])')?.getAttribute('d') ?? null;
  const changed = () => line() !== null && line() !== window.__line &&
    [...document.querySelectorAll('p')].some(p => p.textContent.endsWith(` series of ${window.__engine}`));
  window.__expect = engine => {
    delete seen.change;
    window.__line = line(); window.__began = null; window.__engine = engine;
    const began = () => { window.__began ??= performance.now(); };
    for (const name of ['click', 'change']) addEventListener(name, began, {capture: true, once: true});
  };
  const seen = window.__seen = {};
  const painted = name => requestAnimationFrame(() => requestAnimationFrame(() => { seen[name] ??= performance.now(); }));
  const look = () => {
    if (!('plot' in seen) && plotted()) painted('plot');
    if (!('picture' in seen) && pictured()) painted('picture');
    if (window.__engine && window.__began && changed()) { window.__engine = null; painted('change'); }
  };
  new MutationObserver(look).observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
  addEventListener('DOMContentLoaded', look);
})();
