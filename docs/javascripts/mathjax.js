// Equations as pymdownx.arithmatex marks them; nothing is loaded that is not in the site.
window.MathJax = {
  tex: {
    inlineMath: [["\\(", "\\)"]],
    displayMath: [["\\[", "\\]"]],
    processEscapes: true,
    processEnvironments: true
  },
  options: {
    ignoreHtmlClass: ".*",
    processHtmlClass: "arithmatex",
    enableMenu: false
  },
  startup: {
    pageReady: () => MathJax.startup.defaultPageReady().then(shrinkWideEquations)
  }
};

// Makes an equation that is wider than the page smaller, down to 0.7; beyond that it scrolls.
function shrinkWideEquations() {
  document.querySelectorAll("div.arithmatex").forEach(box => {
    const ratio = box.clientWidth / box.scrollWidth;
    if (ratio < 1) box.style.fontSize = `${Math.max(0.98 * ratio, 0.7)}em`;
  });
}
