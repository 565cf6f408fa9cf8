// Before the first paint: the chosen theme, and that scripts run at all.
"use strict";

(() => {
  const root = document.documentElement;
  const KEY = "finops-theme";

  function stored() {
    try {
      return localStorage.getItem(KEY) || "system";
    } catch {
      return "system"; // storage is switched off
    }
  }

  root.dataset.script = "";
  root.dataset.theme = stored();

  addEventListener("DOMContentLoaded", () => {
    const select = document.getElementById("theme");
    select.value = root.dataset.theme;
    select.addEventListener("change", () => {
      root.dataset.theme = select.value;
      try {
        localStorage.setItem(KEY, select.value);
      } catch {
        // The choice then lasts as long as the page.
      }
      dispatchEvent(new Event("finops-theme"));
    });
  });
})();
