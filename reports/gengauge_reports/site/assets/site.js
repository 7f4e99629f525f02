"use strict";
// Every page: the theme, copying, and what is said to those who listen. All text enters as textContent.
const DATA = JSON.parse(document.getElementById("data")?.textContent ?? "{}");
const THEMES = ["system", "light", "dark"];

function say(text) {
  document.getElementById("said").textContent = text;
}

function element(tag, text, name) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (name) made.className = name;
  return made;
}

function currentTheme() {
  return document.documentElement.dataset.theme ?? "system";
}

function setTheme(name) {
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  try {
    if (name === "system") localStorage.removeItem("gengauge-theme");
    else localStorage.setItem("gengauge-theme", name);
  } catch { /* then it holds for this page alone */ }
  showTheme();
  document.dispatchEvent(new Event("themechange"));
}

const switcher = document.querySelector("button.theme");
function showTheme() {
  switcher.querySelector("span").textContent = currentTheme();
}
switcher.hidden = false;
showTheme();
switcher.addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(currentTheme()) + 1) % THEMES.length];
  setTheme(next);
  say(`Theme: ${next}`);
});

async function copy(button) {
  const text = button.nextElementSibling.textContent;
  let done = false;
  try {
    await navigator.clipboard.writeText(text);
    done = true;
  } catch { // no clipboard API for this page: the old way still works from a file
    const area = element("textarea");
    area.value = text;
    area.style.position = "fixed";
    document.body.append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
    button.focus();
  }
  button.textContent = done ? "copied" : "not copied";
  say(done ? "Command copied" : "The command could not be copied");
  setTimeout(() => { button.textContent = "copy"; }, 1500);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button.copy");
  if (button) copy(button);
});
for (const button of document.querySelectorAll("button.copy")) button.hidden = false;
