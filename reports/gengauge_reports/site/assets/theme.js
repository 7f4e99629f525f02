"use strict";
// Before the first paint: the theme that was chosen on another page of this site.
(() => {
  let chosen = null;
  try { chosen = localStorage.getItem("gengauge-theme"); } catch { /* a browser that keeps nothing */ }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
