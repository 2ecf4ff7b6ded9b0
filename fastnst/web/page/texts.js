// Every text of the page. A translation replaces this file; words in braces are filled in.

const texts = {
  title: "fastnst: your photo, painted",

  headline: "Your photo, painted",
  lead: "Choose a photo and see it in every style. It is painted here, in your browser: no photo leaves this device.",
  choose: "Choose photos",
  camera: "Use the camera",
  dropHint: "Photos, paintings and style files (.onnx) may also be dropped anywhere on this page, or pasted",
  dropHere: "Drop your photos",
  dropPainting: "Drop a painting",
  dropPaintingHint: "to paint your photos in its style",
  choosePainting: "Use a painting of yours as the style",
  examples: "Or begin with one of these",
  stylesShown: "The styles",
  example: "Example: {name}",
  tryStyle: "Try {name}",
  hero: "{photo} in several styles, side by side",
  private: "Nothing is uploaded",
  leadServer: "Choose a photo and see it in every style. It is painted by fastnst on {host}, at full size.",
  dropHintServer: "Photos and paintings may also be dropped anywhere on this page, or pasted",
  privateServer: "Painted on {host}",

  studio: "Your picture",
  photo: "Photo",
  painting: "Painting",
  compare: "Compare: how much of the photo is shown",
  zoomIn: "Full size",
  zoomOut: "Whole picture",
  zoomed: "Full size: drag to move, or use the arrow keys. Esc, or a double click, shows the whole picture.",
  panHint: "The picture at full size. Arrow keys move it, Escape shows all of it.",
  photos: "Photos",
  addPhotos: "Add photos",
  removePhoto: "Remove {name}",
  showPhoto: "Show {name}",

  styles: "Style",
  addPainting: "+ Add a painting",
  ownPainting: "Your painting, used as a style without training",
  keepStyle: "Save this style (.onnx)",
  strength: "Strength",
  strengthValue: "{percent} %",
  brush: "Brush",
  brushOwn: "as fine as the photo",
  brushAt: "painted at {size} px",
  keepColours: "Keep the photo's colours",
  blend: "Blend with",
  noBlend: "no other style",
  share: "Share of {name}",
  mask: "Paint only a part",
  maskHint: "Draw on the picture where it shall be painted. With the keyboard: arrow keys move, Space draws.",
  maskDraw: "Draw",
  maskErase: "Erase",
  maskFile: "Mask from a file",
  maskInvert: "Invert",
  maskClear: "Clear",
  maskSize: "Size of the pen",
  maskCanvas: "The picture, to draw the mask on",

  download: "Download",
  downloadAll: "Download all as ZIP",
  copy: "Copy",
  undo: "Undo",
  redo: "Redo",
  cancel: "Cancel",

  loading: "Getting ready …",
  loadingSize: "Getting ready … {percent} %",
  reading: "Reading {name} …",
  painting1: "Painting {width} × {height} …",
  paintingSeconds: "Painting {width} × {height}, some {seconds} s …",
  painted: "{style}, painted in {seconds} s",
  paintedGpu: "{style}, painted on the GPU in {seconds} s",
  cancelled: "Cancelled. Pick a style to paint again.",
  copied: "Copied as a picture",
  copyFailed: "The browser did not allow copying. Download works.",
  saved: "{name} is saved",
  batch: "Photo {number} of {count} …",
  batchDone: "{count} photos are in {name}",
  batchSome: "{count} photos are in {name}; {failed} could not be painted",

  reduced:
    "This photo has {megapixels} megapixels, too many for this page: it is painted at {size} px and enlarged. A broader brush is faster; fastnst serve or fastnst stylize paints every pixel.",
  heic: "{name} is HEIC, which this browser cannot read: save it as JPEG first, or use fastnst with pip install fastnst[heif].",
  unreadable: "{name} cannot be read: it is damaged, or no picture that this browser knows.",
  tooLarge: "{name} has {width} × {height} pixels, more than {most} megapixels: make it smaller, or use fastnst stylize.",
  noPhotos: "There was no photo among what you gave.",
  failed: "Painting failed: {reason}",
  failedLarge: "There was not enough memory for {width} × {height}. Choose a broader brush, or use fastnst stylize.",
  styleAdded: "The style {name} is there now",
  measuring: "Looking at {name} …",
  paintingAdded: "Your photo is painted in the style of {name} now",
  paintingFirst: "{name} is a style now. Choose a photo to paint in it.",
  paintingSmall:
    "{name} has {width} × {height} pixels, too few or too narrow to be a style: each side needs {least}, also where the longer one has 768.",
  paintingClear: "{name} is fully transparent: there is no style to see.",
  noPaintings: "There was no painting among what you gave.",
  twoStyles: "There is a style {name} already: rename the file.",
  noStyle: "The style {name} could not be loaded: {reason}",
  offline: "The page could not load what it needs: {reason}",

  cameraTitle: "Camera",
  cameraClose: "Close",
  cameraStyle: "Style",
  cameraRecord: "Record",
  cameraStop: "Stop recording",
  cameraTake: "Take a photo",
  cameraSpeed: "{rate} pictures a second at {width} × {height}",
  cameraDenied: "The camera cannot be used: {reason}",

  footerServer: "Made with fastnst.",
  footer: "Made with fastnst. It paints by ONNX Runtime Web {version}; its licences:",
};

/** Add the texts of a part that only some pages have. */
export function addTexts(more) {
  Object.assign(texts, more);
}

/** A text by its key, with what stands in braces filled in. */
export function text(key, values = {}) {
  return texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** Fill the elements that name a text: their content, their label for screen readers, their tooltip. */
export function fillTexts(root) {
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const element of root.querySelectorAll("[data-label]")) element.setAttribute("aria-label", text(element.dataset.label));
}
