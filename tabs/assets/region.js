// Paints the effective region of a unit in a dialog: what is painted is white, and steered. `kit`: words.
// Returns paint({width, height, under, mask, fit}) -> a promise of a PNG file, or of null when it was left.
(kit) => (start) => new Promise((finish) => {
  const w = kit.words, { width, height } = start;
  const { element, button } = kit.pieces;
  const board = element('canvas', { width, height, className: 'region-board' });
  const pen = board.getContext('2d', { willReadFrequently: true });
  let past = [], erasing = false, last = null;

  const remember = () => { past.push(pen.getImageData(0, 0, width, height)); past = past.slice(-20); undo.disabled = false; };
  const undo = button('↶', () => { if (past.length) pen.putImageData(past.pop(), 0, 0); undo.disabled = !past.length; },
    { title: w.undo, ariaLabel: w.undo, disabled: true });
  const brush = element('input', { type: 'range', min: 2, max: Math.round(Math.max(width, height) / 3), ariaLabel: w.control_brush,
    value: Math.round(Math.max(width, height) / 10) });
  const rubber = button(w.control_erase, () => { erasing = !erasing; rubber.classList.toggle('chosen', erasing); });
  const flood = (colour) => () => { remember(); pen.globalCompositeOperation = 'source-over'; pen.clearRect(0, 0, width, height);
    if (colour) { pen.fillStyle = colour; pen.fillRect(0, 0, width, height); } };
  const at = (e) => { const box = board.getBoundingClientRect();
    return [(e.clientX - box.x) * width / box.width, (e.clientY - box.y) * height / box.height]; };
  const stroke = (from, to) => {
    pen.globalCompositeOperation = erasing ? 'destination-out' : 'source-over';
    [pen.lineWidth, pen.lineCap, pen.strokeStyle] = [+brush.value, 'round', '#fff'];
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(...to);
    pen.stroke();
  };
  board.onpointerdown = (e) => { e.preventDefault(); board.setPointerCapture(e.pointerId); remember(); last = at(e);
    stroke(last, last); };
  board.onpointermove = (e) => { if (last) { const now = at(e); stroke(last, now); last = now; } };
  board.onpointerup = board.onpointercancel = () => { last = null; };

  const keys = (e) => {       // before the page's own keys: Esc leaves the dialog and interrupts nothing
    if (e.key === 'Escape') leave(null);
    else if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === 'z') undo.click();
    else return;
    e.preventDefault();
    e.stopImmediatePropagation();
  };
  const leave = (file) => { window.removeEventListener('keydown', keys, true); dialog.close(); dialog.remove(); finish(file); };
  const used = () => {        // grey, without transparency: white was painted, black was not
    const flat = element('canvas', { width, height }), paper = flat.getContext('2d');
    paper.fillRect(0, 0, width, height);
    paper.drawImage(board, 0, 0);
    flat.toBlob((blob) => leave(new File([blob], 'region.png', { type: 'image/png' })), 'image/png');
  };
  const dialog = element('dialog', { className: 'pose-editor region-editor', oncancel: (e) => { e.preventDefault(); leave(null); } },
    element('header', {}, element('h2', { textContent: w.control_mask }), undo, rubber, button(w.control_all, flood('#fff')),
      button(w.control_clear, flood(null)), button('✕', () => leave(null), { title: w.pose_leave, ariaLabel: w.pose_leave })),
    element('div', { className: 'region-stage', style: `aspect-ratio: ${width} / ${height}` },
      ...(start.under ? [element('img', { src: start.under, alt: '', style: `object-fit: ${start.fit}` })] : []), board),
    element('div', { className: 'pose-foot' }, element('label', {}, `${w.control_brush} `, brush),
      button(w.control_use_region, used, { className: 'primary region-use' })));
  if (start.mask) {
    const before = new Image();
    before.onload = () => {     // back to what was painted: black becomes see-through
      pen.drawImage(before, 0, 0, width, height);
      const dots = pen.getImageData(0, 0, width, height);
      for (let i = 0; i < dots.data.length; i += 4) dots.data[i + 3] = dots.data[i];
      pen.putImageData(dots, 0, 0);
    };
    before.src = start.mask;
  }
  window.addEventListener('keydown', keys, true);
  (document.querySelector('.gradio-container') ?? document.body).append(dialog);
  dialog.showModal();
})
