// Runs right before plotly.js, so that it works under a policy that forbids inline styles (style-src 'self').
// Three things of plotly.js 4.1 write styles as text. The object model does the same, and the policy allows that.
(() => {
  // 1. Its rules are inserted into the style sheet of this id where there is one. A page on a disk has no policy, and
  //    may not touch its sheets.
  const sheet = document.querySelector('link[rel="stylesheet"]');
  if (sheet && location.protocol !== 'file:') sheet.id = 'plotly.js-style-global';
  // 2. The rules of its maps, which nothing here draws, are left out where any element has their id.
  const maps = document.createElement('meta');
  maps.id = '9f215cf04c5486422605d13261cb87401f4e7763b6296af81e98efbc0130da53';
  document.head.append(maps);
  // 3. Style attributes of what it draws.
  const setAttribute = Element.prototype.setAttribute;
  Element.prototype.setAttribute = function (name, value) {
    if (name === 'style') this.style.cssText = value;
    else setAttribute.call(this, name, value);
  };
})();
