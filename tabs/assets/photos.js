// Photos of a person: each is shown with the square that will be used, which can be dragged or drawn anew. The component's
// value is the list of the kept squares' names. Photos are made small and upright here to be looked at; of the photo only the
// square leaves the browser to be kept, as fine as the photo has it.
// Runs once, with Gradio's `element`, `props`, `watch` and `server`.
const shelf = element.querySelector('.shelf'), line = element.querySelector('.line');
const w = JSON.parse(shelf.dataset.words), LONGER = 1024, MOST = 16, SMALLEST = 32;
// { name, note, file, scale, canvas, box } - the canvas has `scale` of the file's pixels - or { name, thumb } for one that came
// back by its name.
let photos = [];

const ask = async (what, data) => {
  const answer = await server.ask({ what, ...data });
  if (!answer || answer.error || answer.detail) throw new Error(answer?.error ?? answer?.detail ?? what);
  return answer;
};
const say = (text) => { line.textContent = text; };
const commit = () => {
  const names = photos.map((p) => p.name).filter(Boolean);
  if (JSON.stringify(names) !== JSON.stringify(props.value || [])) props.value = names;
};
const opened = (file) => createImageBitmap(file, { imageOrientation: 'from-image' });
// Whether no other photo has the same square: the file of one that is on the shelf twice must stay.
const alone = (photo) => Boolean(photo.name) && !photos.some((other) => other !== photo && other.name === photo.name);
const keep = async (photo) => {
  const [left, top, side] = ['left', 'top', 'side'].map((edge) => photo.box[edge] / photo.scale);
  const size = Math.max(1, Math.min(LONGER, Math.round(side)));
  const cut = Object.assign(document.createElement('canvas'), { width: size, height: size });
  cut.getContext('2d').drawImage(await opened(photo.file), left, top, side, side, 0, 0, size, size);
  photo.name = (await ask('keep', { photo: cut.toDataURL('image/png'), instead: alone(photo) ? photo.name : '' })).name;
  commit();
};
const button = (text, act) => Object.assign(document.createElement('button'), { type: 'button', textContent: text, onclick: act });

const draw = (photo, view) => {
  const pen = view.getContext('2d'), { canvas, box } = photo;
  pen.filter = 'brightness(.45)';
  pen.drawImage(canvas, 0, 0);
  pen.filter = 'none';
  pen.drawImage(canvas, box.left, box.top, box.side, box.side, box.left, box.top, box.side, box.side);
  pen.strokeStyle = '#2ea043';
  pen.lineWidth = Math.max(2, canvas.width / 150);
  pen.strokeRect(box.left, box.top, box.side, box.side);
};
const cropper = (photo) => {
  const view = Object.assign(document.createElement('canvas'), { width: photo.canvas.width, height: photo.canvas.height });
  view.title = w.photos_crop;
  let from = null, before = photo.box;
  const at = (event) => {
    const r = view.getBoundingClientRect();
    return [(event.clientX - r.left) / r.width * view.width, (event.clientY - r.top) / r.height * view.height];
  };
  view.onpointerdown = (event) => { view.setPointerCapture(event.pointerId); from = at(event); before = photo.box; };
  view.onpointermove = (event) => {
    if (!from) return;
    const to = at(event), side = Math.max(Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1]));
    const room = Math.min(side, to[0] < from[0] ? from[0] : view.width - from[0], to[1] < from[1] ? from[1] : view.height - from[1]);
    if (room < 8) return;
    photo.box = { side: room, left: to[0] < from[0] ? from[0] - room : from[0], top: to[1] < from[1] ? from[1] - room : from[1] };
    photo.drawn = true;
    draw(photo, view);
  };
  view.onpointerup = async () => {
    from = null;
    if (!photo.drawn) return;
    photo.drawn = false;
    if (photo.box.side / photo.scale < SMALLEST) {     // what is kept is still what it was
      photo.box = before;
      draw(photo, view);
      say(w.photos_small);
      return;
    }
    photo.note = '';
    try { await keep(photo); say(''); show(); } catch (error) { say(error.message); }
  };
  draw(photo, view);
  return view;
};
const show = () => {
  shelf.replaceChildren(...photos.map((photo) => {
    const card = document.createElement('figure');
    card.append(photo.canvas ? cropper(photo) : Object.assign(new Image(), { src: photo.thumb, alt: '' }));
    if (photo.note) card.append(Object.assign(document.createElement('figcaption'), { textContent: photo.note }));
    card.append(button(w.photos_remove, async () => {
      photos = photos.filter((p) => p !== photo);
      commit(); show();
      if (alone(photo)) await ask('forget', { names: [photo.name] }).catch((error) => say(error.message));
    }));
    return card;
  }));
  element.querySelector('[data-act=delete]').disabled = !photos.length;
};
const add = async (file) => {
  if (photos.length >= MOST) throw new Error(w.photos_most);
  const picture = await opened(file).catch(() => { throw new Error(`${file.name}: ${w.photos_unread}`); });
  const scale = Math.min(1, LONGER / Math.max(picture.width, picture.height));
  const canvas = Object.assign(document.createElement('canvas'),
    { width: Math.round(picture.width * scale), height: Math.round(picture.height * scale) });
  canvas.getContext('2d').drawImage(picture, 0, 0, canvas.width, canvas.height);
  const found = await ask('look', { photo: canvas.toDataURL('image/jpeg', 0.92) });
  const photo = { file, scale, canvas, box: found.box, note: found.note };
  photos.push(photo);
  await keep(photo);
};
const take = async (files) => {
  say(w.photos_looking);
  const troubles = new Set();
  for (const file of files) {
    await add(file).catch((error) => troubles.add(error.message));
    show();
  }
  say([...troubles].join(' '));
};
element.querySelector('[data-act=add]').onchange = (event) => { take([...event.target.files]); event.target.value = ''; };
element.ondragover = (event) => event.preventDefault();
element.ondrop = (event) => { event.preventDefault(); event.stopPropagation(); take([...event.dataTransfer.files]); };
element.querySelector('[data-act=delete]').onclick = async () => {
  const names = photos.map((p) => p.name).filter(Boolean);
  photos = [];
  commit(); show();
  try { say((await ask('forget', { names })).told); } catch (error) { say(error.message); }
};
const shown = async () => {
  const names = props.value || [];
  if (JSON.stringify(names) === JSON.stringify(photos.map((p) => p.name).filter(Boolean))) return;
  photos = [];
  for (const name of names) {
    try { photos.push({ name, thumb: (await ask('seen', { name })).thumb }); } catch (error) { say(error.message); }
  }
  show();
};
watch('value', shown);
show();
shown();
