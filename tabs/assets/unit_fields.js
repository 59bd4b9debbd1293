// Labelled controls for the fields of a unit. `kit`: fields, pieces; held(key) reads the chosen unit, change(values, whole)
// writes it. Returns the functions of the last line.
(kit, held, change) => {
  const { fields } = kit, { element, button } = kit.pieces;
  const helped = (key, field) => { field.dataset.help = `control-${key.replaceAll('_', '-')}`; return field; };      // tips.js
  const labelled = (key, text, ...inside) => helped(key, element('label', { className: 'unit-field' },
    element('span', { textContent: text }), ...inside));
  const slider = (key, label, { minimum, maximum, step }, shown = held(key)) => {
    const set = (value) => { range.value = number.value = value; };
    const give = (e) => { if (e.target.value !== '') { set(Math.min(Math.max(+e.target.value, minimum), maximum));
      change({ [key]: +range.value }, false); } };
    const look = { min: minimum, max: maximum, step, value: shown };
    const range = element('input', { type: 'range', ...look, ariaLabel: label, oninput: (e) => { number.value = e.target.value; },
      onchange: give });
    const number = element('input', { type: 'number', ...look, ariaLabel: label, onchange: give });
    range.value = shown;
    range.name = number.name = key;
    return labelled(key, label, element('span', { className: 'unit-slider' }, range, number));
  };
  const select = (key, label, options, value = held(key)) => {
    const made = element('select', { name: key, ariaLabel: label, onchange: (e) => change({ [key]: e.target.value,
      ...(key === 'preprocessor' ? { threshold_a: -1, threshold_b: -1 } : {}) }) },
      ...options.map(([name, text]) => element('option', { value: name, textContent: text })));
    made.value = value;
    return labelled(key, label, made);
  };
  const segments = (key, label) => helped(key, element('div', { className: 'unit-field', role: 'radiogroup', ariaLabel: label },
    element('span', { textContent: label }), element('div', { className: 'unit-segments' }, ...fields[key].choices.map((name) =>
      button(name, () => change({ [key]: name }), { className: held(key) === name ? 'chosen' : '',
        ariaChecked: held(key) === name, role: 'radio' })))));
  const chooser = (text, then) => {
    const input = element('input', { type: 'file', accept: 'image/*', hidden: true,
      onchange: (e) => { const [file] = e.target.files; if (file) then(file); } });
    return element('label', { className: 'file', textContent: text }, input);
  };
  const box = (text, image, then, className) => {
    const made = chooser('', then);
    made.className = `unit-box drop-here ${className}`;
    made.append(image ?? element('span', { textContent: text }));
    for (const name of ['dragover', 'drop']) made.addEventListener(name, (e) => {
      e.preventDefault();
      e.stopPropagation();
      const [file] = e.dataTransfer?.files ?? [];
      if (name === 'drop' && file) then(file);
    });
    return made;
  };

  return { labelled, slider, select, segments, chooser, box };
}
