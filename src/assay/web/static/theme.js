// The theme that was chosen before, set before anything is drawn. "auto" follows the system and stores nothing.
(() => {
  try {
    const chosen = localStorage.getItem("assay-theme");
    if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
  } catch { /* storage is off: the system's theme it is */ }
  document.documentElement.classList.add("has-script");
})();
