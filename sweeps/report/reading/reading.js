// What helps to read the page: copying, the mark in the contents, and folded tables in print.
"use strict";
(() => {
  const RESTORED_AFTER_MS = 2000;
  for (const button of document.querySelectorAll("button.copy")) {
    const source = document.getElementById(button.dataset.copies);
    const label = button.textContent;
    button.setAttribute("aria-live", "polite");
    button.addEventListener("click", async () => {
      let copied = true;
      try {
        await navigator.clipboard.writeText(source.textContent);
      } catch {  // without permission or a secure context: select the text and copy the selection
        getSelection().selectAllChildren(source);
        copied = document.execCommand("copy");
      }
      button.textContent = copied ? "Copied" : "Selected: press Ctrl+C";
      setTimeout(() => { button.textContent = label; }, RESTORED_AFTER_MS);
    });
  }

  // The current section is the last one whose top has passed the upper third of the window.
  const links = [...document.querySelectorAll("nav a")];
  const targets = links.map((link) => document.querySelector(link.getAttribute("href")));
  let current = null;
  function mark() {
    const line = innerHeight / 3;
    const atEnd = scrollY + innerHeight >= document.documentElement.scrollHeight - 2 && scrollY > 0;
    const passed = targets.findLastIndex((target) => target.getBoundingClientRect().top <= line);
    const link = links[atEnd ? links.length - 1 : Math.max(passed, 0)];
    if (link === current) return;
    current?.removeAttribute("aria-current");
    link.setAttribute("aria-current", "true");
    const bar = link.parentElement;
    if (bar.scrollWidth > bar.clientWidth) bar.scrollLeft = link.offsetLeft - bar.clientWidth / 2;
    current = link;
  }
  addEventListener("scroll", mark, { passive: true });
  addEventListener("resize", mark);
  if (links.length) mark();

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("main details:not([open])")].filter((each) => !each.closest("figure"));
    for (const each of opened) each.open = true;
  });
  addEventListener("afterprint", () => { for (const each of opened) each.open = false; });
})();
