// Draws each figure when it comes into view, in the colours of the page, and again when these change.
(function () {
  "use strict";
  const drawn = new Set();
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const coarse = window.matchMedia("(pointer: coarse)");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function themed(layout) {
    const out = Object.assign({}, layout, {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: colour("--text"), size: 13, family: "system-ui, sans-serif" },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--soft"), activecolor: colour("--text") },
      hoverlabel: { bgcolor: colour("--panel"), font: { color: colour("--text") } },
    });
    if (coarse.matches && !layout.scene) out.dragmode = false; // a finger scrolls the page
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
    const done = Plotly.newPlot(box, figure.data, themed(figure.layout), {
      responsive: true, displaylogo: false, showTips: false,
      toImageButtonOptions: { format: "png", scale: 2, filename: "halobind-" + box.id },
    });
    if (figure.layout.scene) done.then(() => keepPicture(box));
  }

  // a printer gets a picture of a three-dimensional figure, as its canvas may be empty by then
  function keepPicture(box) {
    Plotly.toImage(box, { format: "png", width: 680, height: 480, scale: 1 }).then((source) => {
      const picture = document.createElement("img");
      picture.className = "print-only";
      picture.alt = box.getAttribute("aria-label");
      picture.src = source;
      box.after(picture);
      box.classList.add("has-image");
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
  window.addEventListener("beforeprint", () => {
    all();
    document.body.classList.add("printing");
    boxes.forEach((box) => { if (box.layout) Plotly.relayout(box, { width: box.clientWidth }); });
  });
  window.addEventListener("afterprint", () => {
    document.body.classList.remove("printing");
    boxes.forEach((box) => { if (box.layout) Plotly.relayout(box, { width: null, autosize: true }); });
  });
  window.halobindDrawAll = all;
  document.querySelectorAll("details").forEach((d) => d.addEventListener("toggle", () => {
    if (d.open) d.querySelectorAll(".plot").forEach((box) => { if (drawn.has(box.id)) Plotly.Plots.resize(box); });
  }));
})();
