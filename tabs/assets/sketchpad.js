// A sheet to draw on. The component's value is the drawing as a PNG data address, "" while it is empty; what was not drawn
// on is see-through. Runs once, with Gradio's `element`, `props` and `watch`.
const [sheet] = element.getElementsByTagName('canvas');
const pen = sheet.getContext('2d', { willReadFrequently: true });
const tool = (name) => element.querySelector(`[data-tool="${name}"]`);
const LONGER = 512, MOST = 1024, KEPT = 30;     // pixels of the longer side: those of the picture, between these
let colour = '#1d1a18', erasing = false, paper = '', last = null, sent = '', undo = [];

const fill = () => {
  pen.globalCompositeOperation = 'source-over';
  pen.clearRect(0, 0, sheet.width, sheet.height);
  if (paper) { pen.fillStyle = paper; pen.fillRect(0, 0, sheet.width, sheet.height); }
};
const shape = (width, height) => {
  const scale = Math.min(MOST, Math.max(LONGER, width, height)) / Math.max(width, height);
  const size = [Math.round(width * scale), Math.round(height * scale)];
  if (size[0] === sheet.width && size[1] === sheet.height) return;
  const old = Object.assign(document.createElement('canvas'), { width: sheet.width, height: sheet.height });
  old.getContext('2d').drawImage(sheet, 0, 0);
  [sheet.width, sheet.height] = size;
  undo = [];
  fill();
  if (sent) { pen.drawImage(old, 0, 0, ...size); send(); }
};
const blank = () => !paper && !new Uint32Array(pen.getImageData(0, 0, sheet.width, sheet.height).data.buffer).some((p) => p);
const send = () => {
  sent = blank() ? '' : sheet.toDataURL('image/png');
  if ((props.value || '') !== sent) props.value = sent;
};
const remember = () => {
  undo.push([paper, pen.getImageData(0, 0, sheet.width, sheet.height)]);
  if (undo.length > KEPT) undo.shift();
};
const at = (event) => {
  const box = sheet.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width * sheet.width, (event.clientY - box.top) / box.height * sheet.height];
};
const line = (from, to) => {
  pen.globalCompositeOperation = erasing && !paper ? 'destination-out' : 'source-over';
  pen.strokeStyle = erasing && paper ? paper : colour;
  pen.lineWidth = Number(tool('width').value) * Math.max(sheet.width, sheet.height) / LONGER;
  pen.lineCap = pen.lineJoin = 'round';
  pen.beginPath();
  pen.moveTo(...from);
  pen.lineTo(...to);
  pen.stroke();
};
sheet.onpointerdown = (event) => {
  if (event.button) return;
  sheet.setPointerCapture(event.pointerId);
  sheet.focus({ preventScroll: true });
  remember();
  last = at(event);
  line(last, last);
};
sheet.onpointermove = (event) => {
  if (!last) return;
  for (const part of event.getCoalescedEvents?.() ?? [event]) { const now = at(part); line(last, now); last = now; }
};
sheet.onpointerup = sheet.onpointercancel = () => { if (last) { last = null; send(); } };

const choose = (name) => {
  erasing = name === 'eraser';
  for (const other of ['brush', 'eraser']) tool(other).setAttribute('aria-pressed', String(other === name));
};
const ink = (value) => {
  colour = value;
  choose('brush');
  tool('colour').value = value;
  for (const swatch of element.querySelectorAll('.ink')) swatch.setAttribute('aria-pressed', String(swatch.dataset.ink === value));
};
tool('brush').onclick = () => choose('brush');
tool('eraser').onclick = () => choose('eraser');
tool('colour').oninput = (event) => ink(event.target.value);
for (const swatch of element.querySelectorAll('.ink')) swatch.onclick = () => ink(swatch.dataset.ink);
const back = () => {
  const before = undo.pop();
  if (!before) return;
  paper = before[0];
  pen.putImageData(before[1], 0, 0);
  send();
};
tool('undo').onclick = back;
sheet.onkeydown = (event) => {
  const wide = tool('width'), { key } = event;
  if ((event.ctrlKey || event.metaKey) && key === 'z') back();
  else if (key === '[' || key === ']') wide.value = Number(wide.value) + (key === ']' ? 4 : -4);
  else if (key === 'b' || key === 'e') choose(key === 'e' ? 'eraser' : 'brush');
  else return;
  event.preventDefault();
  event.stopPropagation();
};
tool('clear').onclick = () => { remember(); paper = ''; fill(); send(); };

// A picture covers the sheet; what it leaves free takes the colour of its corner, so that a dark drawing stays on dark paper.
const lay = (picture, own) => {
  if (!own) remember();
  paper = '';
  fill();
  if (!own) {
    pen.drawImage(picture, 0, 0, 1, 1, 0, 0, 1, 1);
    const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
    paper = a > 200 ? `rgb(${r}, ${g}, ${b})` : '';
    fill();
  }
  const scale = Math.min(sheet.width / picture.width, sheet.height / picture.height);
  const [width, height] = [picture.width * scale, picture.height * scale];
  pen.drawImage(picture, (sheet.width - width) / 2, (sheet.height - height) / 2, width, height);
};
const take = async (file) => {
  if (!file?.type.startsWith('image/')) return;
  lay(await createImageBitmap(file), false);
  send();
};
tool('file').onchange = (event) => { take(event.target.files[0]); event.target.value = ''; };
element.ondragover = (event) => event.preventDefault();
element.ondrop = (event) => { event.preventDefault(); event.stopPropagation(); take(event.dataTransfer.files[0]); };
element.onpaste = (event) => take([...event.clipboardData.files][0]);

const shown = () => {
  const value = props.value || '';
  if (value === sent) return;
  sent = value;
  undo = [];
  if (!value) { paper = ''; fill(); return; }
  const picture = new Image();
  picture.onload = () => lay(picture, true);
  picture.src = value;
};
watch('value', shown);
window.addEventListener('atelier-sheet', (event) => shape(...event.detail));
if (window.atelierSheet) shape(...window.atelierSheet);
ink(colour);
shown();
