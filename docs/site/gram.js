// The Gram matrix of two filters on a small picture, live: what it sees of a texture, and what it does not.
const SIDE = 96;
const TILE = 16;
const RADIUS = 4;

/** Numbers in [0, 1) that are the same at every visit (mulberry32). */
function generator(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const PICTURES = {
  strokes(context, chance) {
    for (let stroke = 0; stroke < 260; stroke++) {
      const [x, y] = [chance() * SIDE, chance() * SIDE];
      const angle = (chance() < 0.7 ? 0.5 : 2.2) + 0.25 * (chance() - 0.5);
      context.strokeStyle = `hsl(0 0% ${Math.round(20 + 75 * chance())}%)`;
      context.lineWidth = 2 + 2 * chance();
      context.beginPath();
      context.moveTo(x - 7 * Math.cos(angle), y - 7 * Math.sin(angle));
      context.lineTo(x + 7 * Math.cos(angle), y + 7 * Math.sin(angle));
      context.stroke();
    }
  },
  waves(context, chance) {
    const phase = 6 * chance();
    for (let y = -8; y < SIDE + 8; y += 6) {
      context.strokeStyle = (y / 6) % 2 ? "#222" : "#ddd";
      context.lineWidth = 3;
      context.beginPath();
      for (let x = 0; x <= SIDE; x++) context.lineTo(x, y + 5 * Math.sin(x / 9 + y / 30 + phase));
      context.stroke();
    }
  },
  lattice(context) {
    context.fillStyle = "#eee";
    for (let y = 4; y < SIDE; y += 8) {
      for (let x = 4; x < SIDE; x += 8) {
        context.beginPath();
        context.arc(x, y, 2.4, 0, 7);
        context.fill();
      }
    }
  },
};

/** A filter that answers to strokes at an angle: an edge detector of some 7 pixels, like those of a first layer. */
function kernel(degrees) {
  const angle = (degrees * Math.PI) / 180;
  const weights = [];
  let sum = 0;
  for (let y = -RADIUS; y <= RADIUS; y++) {
    for (let x = -RADIUS; x <= RADIUS; x++) {
      const across = -x * Math.sin(angle) + y * Math.cos(angle);
      const weight = Math.exp(-(x * x + y * y) / 8) * Math.cos(across * 1.1);
      weights.push(weight);
      sum += weight;
    }
  }
  return weights.map((weight) => weight - sum / weights.length); // blind to even areas
}

/** max(0, the filter's answer) at each pixel; beyond the border the picture goes on round the torus. */
function answer(values, weights) {
  const found = new Float32Array(SIDE * SIDE);
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      let sum = 0;
      let at = 0;
      for (let down = -RADIUS; down <= RADIUS; down++) {
        const row = ((y + down + SIDE) % SIDE) * SIDE;
        for (let right = -RADIUS; right <= RADIUS; right++) sum += weights[at++] * values[row + ((x + right + SIDE) % SIDE)];
      }
      found[y * SIDE + x] = Math.max(0, sum);
    }
  }
  return found;
}

function show(canvas, values, most) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(SIDE, SIDE);
  values.forEach((value, at) => image.data.set([0, 1, 2].map(() => (255 * value) / most).concat(255), 4 * at));
  context.putImageData(image, 0, 0);
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const product = (one, other) => mean(one.map((value, at) => value * other[at]));

function start(demo) {
  demo.innerHTML = `
    <div class="pictures">
      <figure><canvas width="${SIDE}" height="${SIDE}"></canvas><figcaption>picture</figcaption></figure>
      <figure><canvas width="${SIDE}" height="${SIDE}"></canvas><figcaption>filter 1 answers here</figcaption></figure>
      <figure><canvas width="${SIDE}" height="${SIDE}"></canvas><figcaption>filter 2 answers here</figcaption></figure>
    </div>
    <div class="controls">
      <label>Picture <select><option>strokes<option>waves<option>lattice</select></label>
      <label>Filter 1 <input type="range" min="0" max="175" step="5" value="30"> <output></output></label>
      <label>Filter 2 <input type="range" min="0" max="175" step="5" value="120"> <output></output></label>
      <button type="button">Shuffle the tiles</button> <button type="button">Put them back</button>
    </div>
    <div class="numbers" aria-live="polite"></div>`;
  const canvases = [...demo.querySelectorAll("canvas")];
  const choice = demo.querySelector("select");
  const angles = [...demo.querySelectorAll("input")];
  const [shuffle, back] = demo.querySelectorAll("button");
  let values;

  function draw() {
    const context = canvases[0].getContext("2d", { willReadFrequently: true });
    context.fillStyle = "#777";
    context.fillRect(0, 0, SIDE, SIDE);
    PICTURES[choice.value](context, generator(7));
    const pixels = context.getImageData(0, 0, SIDE, SIDE).data;
    values = Float32Array.from({ length: SIDE * SIDE }, (_, at) => pixels[4 * at] / 255);
    compute();
  }

  function shuffleTiles() {
    const chance = Math.random;
    const across = SIDE / TILE;
    const order = Array.from({ length: across * across }, (_, tile) => [chance(), tile]).sort((a, b) => a[0] - b[0]);
    const shuffled = new Float32Array(values.length);
    order.forEach(([, from], to) => {
      for (let y = 0; y < TILE; y++) {
        for (let x = 0; x < TILE; x++) {
          const place = (tile) => (Math.floor(tile / across) * TILE + y) * SIDE + (tile % across) * TILE + x;
          shuffled[place(to)] = values[place(from)];
        }
      }
    });
    values = shuffled;
    compute();
  }

  function compute() {
    show(canvases[0], values, 1);
    const found = angles.map((angle, number) => {
      angle.nextElementSibling.textContent = `${angle.value}°`;
      const answers = answer(values, kernel(Number(angle.value)));
      show(canvases[number + 1], answers, answers.reduce((most, value) => Math.max(most, value), 1e-6));
      return answers;
    });
    const gram = found.map((one) => found.map((other) => product(one, other)));
    const means = found.map(mean);
    const deviations = gram.map((row, at) => Math.sqrt(Math.max(0, row[at] - means[at] ** 2)));
    const cell = (value) => `<td>${value.toFixed(2)}</td>`;
    demo.querySelector(".numbers").innerHTML = `
      <table><caption>Gram matrix, over H·W</caption>${gram.map((row) => `<tr>${row.map(cell).join("")}</tr>`).join("")}</table>
      <table><caption>What AdaIN keeps</caption>
        <tr><td>means</td>${means.map(cell).join("")}</tr><tr><td>deviations</td>${deviations.map(cell).join("")}</tr></table>`;
  }

  choice.addEventListener("change", draw);
  for (const angle of angles) angle.addEventListener("input", compute);
  shuffle.addEventListener("click", shuffleTiles);
  back.addEventListener("click", draw);
  draw();
}

for (const demo of document.querySelectorAll(".gram")) start(demo);
