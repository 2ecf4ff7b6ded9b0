// The losses as two quiet lines.

import { text } from "../texts.js";

const WIDTH = 600;
const HEIGHT = 120;
const SVG = "http://www.w3.org/2000/svg";

/**
 * Draw the losses over the whole training, each term against its own greatest value.
 * @param {SVGElement} svg
 * @param {{fraction: number}[]} curve each point with its terms
 */
export function drawCurve(svg, curve) {
  svg.setAttribute("viewBox", `0 -4 ${WIDTH} ${HEIGHT + 8}`);
  const terms = ["content", "style"].filter((term) => curve.some((point) => Number.isFinite(point[term])));
  svg.replaceChildren(
    ...terms.map((term) => {
      const points = smooth(curve.filter((point) => Number.isFinite(point[term])), term);
      const most = Math.max(...points.map((point) => point[term]), 1e-9);
      const line = document.createElementNS(SVG, "polyline");
      const places = points.map((point) => `${(WIDTH * point.fraction).toFixed(1)},${(HEIGHT * (1 - point[term] / most)).toFixed(1)}`);
      line.setAttribute("points", places.join(" "));
      line.setAttribute("class", term);
      line.setAttribute("vector-effect", "non-scaling-stroke");
      return line;
    }),
  );
  const last = curve.at(-1);
  const shown = (term) => (Number.isFinite(last?.[term]) ? last[term].toPrecision(2) : "–");
  const words = text("lossesNow", { content: shown("content"), style: shown("style") });
  svg.setAttribute("aria-label", words);
  return words;
}

/** The points with the mean of their neighbours: each is the loss of a few crops alone. */
function smooth(points, term) {
  const reach = Math.floor(points.length / 30);
  return points.map((point, each) => {
    const near = points.slice(Math.max(0, each - reach), each + reach + 1);
    return { ...point, [term]: near.reduce((sum, other) => sum + other[term], 0) / near.length };
  });
}
