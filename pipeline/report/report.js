// Draws each figure when it comes into view, in the colours of the page, and again when these change.
(function () {
  "use strict";
  const drawn = new Set();
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function themed(layout) {
    const out = Object.assign({}, layout, {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: colour("--text"), size: 13, family: "system-ui, sans-serif" },
      hoverlabel: { bgcolor: colour("--panel"), font: { color: colour("--text") } },
    });
    for (const key of Object.keys(out)) {
      if (/^[xy]axis/.test(key)) {
        out[key] = Object.assign({}, out[key], {
          gridcolor: colour("--line"), linecolor: colour("--soft"), zerolinecolor: colour("--line"),
          tickcolor: colour("--soft"), ticks: "outside", showline: true,
        });
      }
    }
    return out;
  }

  function draw(box) {
    if (drawn.has(box.id)) return;
    drawn.add(box.id);
    const source = document.querySelector('script[data-for="' + box.id + '"]');
    const figure = JSON.parse(source.textContent);
    box.replaceChildren();
    Plotly.newPlot(box, figure.data, themed(figure.layout), {
      responsive: true, displaylogo: false, showTips: false,
      toImageButtonOptions: { format: "png", scale: 2, filename: "halobind-" + box.id },
    });
  }

  const boxes = Array.from(document.querySelectorAll(".plot"));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { seen.unobserve(entry.target); draw(entry.target); }
  }, { rootMargin: "300px" });
  boxes.forEach((box) => seen.observe(box));

  function recolour() {
    for (const box of boxes) {
      if (!drawn.has(box.id) || !box.layout) continue;
      const scene = box.layout.scene && box.layout.scene.camera;
      const layout = themed(box.layout);
      if (scene) layout.scene = Object.assign({}, layout.scene, { camera: scene });
      Plotly.react(box, box.data, layout);
    }
  }
  dark.addEventListener("change", recolour);

  const all = () => { document.querySelectorAll("details").forEach((d) => { d.open = true; }); boxes.forEach(draw); };
  window.addEventListener("beforeprint", all);
  window.halobindDrawAll = all;
  document.querySelectorAll("details").forEach((d) => d.addEventListener("toggle", () => {
    if (d.open) d.querySelectorAll(".plot").forEach((box) => { if (drawn.has(box.id)) Plotly.Plots.resize(box); });
  }));
})();
