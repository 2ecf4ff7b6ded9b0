// The gallery's dividers, and strips that show one of their pictures at a time. Without it both stay plain pictures.
for (const slider of document.querySelectorAll(".slider")) {
  const input = slider.querySelector("input");
  input.addEventListener("input", () => slider.style.setProperty("--at", `${input.value}%`));
}

// Where each photo of a strip begins, and how wide it is.
const PHOTOS = { astronaut: [0, 400], coffee: [408, 600], rocket: [1016, 600] };
for (const choice of document.querySelectorAll(".photos input")) {
  choice.addEventListener("change", () => {
    const [left, wide] = PHOTOS[choice.value];
    for (const slider of document.querySelectorAll(".slider")) {
      slider.style.setProperty("--left", left);
      slider.style.setProperty("--wide", wide);
    }
  });
}

for (const strip of document.querySelectorAll("img.steps")) {
  const values = strip.dataset.values.split(" ");
  const view = document.createElement("div");
  view.className = "steps-view";
  view.innerHTML = '<div class="window"></div><label><input type="range" min="0" step="1"><output></output></label>';
  const [frame, input, output] = ["div", "input", "output"].map((name) => view.querySelector(name));
  const show = () => {
    const gap = Number(strip.dataset.gap);
    const width = (strip.naturalWidth + gap) / values.length;
    frame.style.aspectRatio = `${width - gap} / ${strip.naturalHeight}`;
    strip.style.transform = `translateX(${(-100 * width * input.value) / strip.naturalWidth}%)`;
    output.textContent = `${strip.dataset.name} ${values[input.value]}`;
  };
  input.max = values.length - 1;
  input.value = strip.dataset.first ?? 0;
  input.setAttribute("aria-label", strip.dataset.name);
  input.addEventListener("input", show);
  strip.replaceWith(view);
  frame.append(strip);
  if (strip.complete) show();
  else strip.addEventListener("load", show);
}
