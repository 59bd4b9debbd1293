// The ControlNet units of one form: a row of chips and one editor for the chosen unit. The value of the component is the list
// of the enabled units as the request takes them; what the request has no room for (units that are switched off, the points of
// a pose) stays in the browser. `kit`: words, fields (ranges and choices by name), unit (the defaults), most (units), rows, types,
// ask(name, data), store(file), edit(start), paint(start). Returns mount({host, props, watch, tab, takes}).
(kit) => {
  const { words: w, fields, rows } = kit;
  const { element, button } = kit.pieces;
  const seen = new Map();         // kept picture -> its address for <img>
  const row = (name) => rows.find((r) => r.name === name) ?? rows[0];
  const stored = (key, fallback) => { try { return JSON.parse(localStorage.getItem(key)) ?? fallback; } catch { return fallback; } };
  const store = (key, value) => { try { localStorage.setItem(key, JSON.stringify(value)); } catch { /* full: it is a comfort */ } };
  const poses = () => stored('atelier-poses', []);       // [picture, points], the newest 40
  const sent = (units) => units.filter((u) => u.on).map(({ on, type, ...unit }) => unit);

  return ({ host, props, watch, tab, takes }) => {
    const body = host.querySelector('.units-body'), told = host.querySelector('.units-told');
    const form = () => ({ model: '', width: 512, height: 512, picture: null, ...window.atelierForms?.[tab] });
    let units = [], chosen = 0, models = [], best = '', asked = null, line = '', preview = null;

    // -- the list and the component's value ------------------------------------------------------------------------------------
    const known = (unit) => ({ ...kit.unit, ...unit });
    // An open panel without units shows one that steers nothing until something of it is changed.
    const begun = () => { if (host.open && !units.length) { units = [{ ...kit.unit, on: false, type: '', blank: true }]; chosen = 0; } };
    const wake = (unit) => { if (unit.blank) { delete unit.blank; unit.on = true; } };
    const take = (value) => {
      const kept = stored(`atelier-units-${tab}`, []);
      const same = JSON.stringify(sent(kept.map(known))) === JSON.stringify((value || []).map(known));
      units = same ? kept.map((u) => ({ ...known(u), on: u.on, type: u.type }))
        : (value || []).map((u) => ({ ...known(u), on: true, type: row(u.preprocessor).control }));
      chosen = Math.min(chosen, Math.max(units.length - 1, 0));
      begun();
    };
    const commit = () => {
      store(`atelier-units-${tab}`, units);
      const now = sent(units);
      if (JSON.stringify(now) !== JSON.stringify(props.value || [])) props.value = now;
      chips();
    };
    const change = (values, whole = true) => {
      wake(units[chosen]);
      const untouched = units[chosen].control_mode === kit.unit.control_mode;
      Object.assign(units[chosen], values.model && best && untouched ? { control_mode: best } : {}, values);
      if (['image', 'preprocessor', 'threshold_a', 'threshold_b', 'resolution', 'pixel_perfect', 'resize_mode']
        .some((key) => key in values)) preview = null;
      line = '';
      commit();
      if (whole) show();
    };
    const add = (unit) => { units = units.filter((u) => !u.blank); units.push({ ...kit.unit, on: true, type: '', ...unit }); chosen = units.length - 1; preview = null;
      commit(); show(); };
    const remove = (i) => { units.splice(i, 1); chosen = Math.max(0, Math.min(chosen, units.length - 1)); preview = null;
      commit(); show(); };
    const busy = (act) => async (...given) => {
      line = w.control_working;
      show();
      try { await act(...given); line = ''; } catch (error) { line = error.message; }
      show();
    };

    // -- what the studio is asked ----------------------------------------------------------------------------------------------
    const fitting = async () => {
      const { model } = form();
      if (!model || asked === model) return;      // the page says which model when its form is there
      asked = model;
      try { let now; ({ models, mode: best, rows: now } = await kit.ask('models', { model })); rows.splice(0, rows.length, ...now); line = ''; } catch (error) { models = []; line = error.message; }
      show();
    };
    const thumb = (name, into) => {
      if (seen.has(name)) { into.src = seen.get(name); return into; }
      kit.ask('seen', { name }).then(({ thumb: url }) => { seen.set(name, url); into.src = url; }, () => into.remove());
      return into;
    };
    const keep = (key) => busy(async (file) => {
      const { image, thumb: url } = await kit.ask('keep', await kit.store(file));
      seen.set(image, url);
      change({ [key]: image }, false);
    });
    const looked = (kept) => busy(async () => {
      const unit = units[chosen], { width, height, picture } = form();
      if (!unit.image && !(takes && picture)) throw new Error(w.control_picture_needed);
      const made = await kit.ask('condition', { unit: sent([{ ...unit, on: true }])[0], width, height, keep: kept,
        ...(unit.image ? {} : { path: picture }) });
      preview = made.thumb;
      if (kept) {
        seen.set(made.image, made.thumb);
        change({ image: made.image, preprocessor: 'none' }, false);
        preview = made.thumb;
      }
    });
    const posing = async () => {
      const unit = units[chosen], { width, height } = form();
      const pose = poses().find(([image]) => image === unit.image)?.[1] ?? null;
      const result = await kit.edit({ pose, width, height, picture: pose ? null : seen.get(unit.image) ?? null });
      if (!result) return;
      seen.set(result.image, result.thumb);
      store('atelier-poses', [[result.image, result.pose], ...poses().filter(([image]) => image !== result.image)].slice(0, 40));
      const model = unit.model || models.find((m) => m.control === 'OpenPose')?.name || '';
      change({ image: result.image, preprocessor: 'none', model, type: 'OpenPose' });
    };
    const typed = (type) => {
      const usable = rows.filter((r) => r.control === type);
      const of = usable.find((r) => !r.missing) ?? row('none');
      const model = models.find((m) => m.control === type) ?? models.find((m) => m.name === units[chosen].model);
      change({ type, preprocessor: units[chosen].preprocessor === 'none' && units[chosen].image ? 'none' : of.name,
        threshold_a: -1, threshold_b: -1, model: model?.name ?? units[chosen].model });
    };

    const fit = (type) => models.find((m) => m.control === type)?.name ?? '';     // a net for what the condition shows
    const held = (key) => units[chosen][key];
    const { labelled, slider, select, segments, chooser, box } = kit.unitFields(kit, held, change);

    // -- what is shown ---------------------------------------------------------------------------------------------------------
    const named = (unit) => {
      const what = unit.preprocessor !== 'none' ? unit.preprocessor : unit.type || unit.model || 'none';
      return `${what} ${+unit.weight.toFixed(2)}`;
    };
    const bar = element('div', { className: 'unit-chips' }), editor = element('div', { className: 'unit-editor' });
    const chips = () => {
      const on = units.filter((u) => u.on);
      told.textContent = on.length ? on.map(named).join(' · ') : w.control_none;
      bar.replaceChildren(...units.map((unit, i) => element('span', { className: `unit-chip ${unit.on || unit.blank ? '' : 'off'}` },
        element('input', { type: 'checkbox', checked: unit.on, title: w.control_on, ariaLabel: `${w.control_on} ${i}`,
          onchange: (e) => { wake(unit); unit.on = e.target.checked; commit(); } }),
        button(unit.blank ? `${w.control_unit} ${i}` : `${w.control_unit} ${i}: ${named(unit)}`, () => { chosen = i; preview = null; line = ''; chips(); show(); },
          { className: i === chosen ? 'chosen' : '' }))),
        button(`+ ${w.control_add}`, () => add({}),
          { className: 'unit-add', disabled: units.length >= kit.most }), presets);
    };
    const picture = (unit) => {
      const image = unit.image ? thumb(unit.image, element('img', { alt: w.control_picture })) : null;
      const pose = unit.type === 'OpenPose' || row(unit.preprocessor).control === 'OpenPose';
      return element('div', { className: 'unit-picture' },
        box(takes ? w.control_input : w.control_drop, image, keep('image'), 'unit-source'),
        element('div', { className: 'unit-row' }, chooser(w.control_choose, keep('image')),
          pose ? button(w.control_pose, posing, { className: 'unit-pose' }) : null,
          unit.image ? button(takes ? w.control_input_again : w.control_empty, () => change({ image: '' })) : null));
    };
    const condition = () => element('div', { className: 'unit-picture' },
      element('div', { className: 'unit-box unit-condition' }, preview ? element('img', { src: preview, alt: w.control_condition })
        : element('span', { textContent: w.control_not_previewed })),
      element('div', { className: 'unit-row' }, button(w.control_preview, looked(false), { className: 'unit-preview' }),
        preview && units[chosen].preprocessor !== 'none' ? button(w.control_as_picture, looked(true)) : null));
    const own = (unit) => {
      const of = row(unit.preprocessor);
      return [...of.options.slice(0, 2).map((option, i) => { const key = ['threshold_a', 'threshold_b'][i];
        return slider(key, option.label, option, unit[key] === -1 ? option.value : unit[key]); }),
      !unit.pixel_perfect && of.detects ? slider('resolution', fields.resolution.label, fields.resolution) : null];
    };
    const paint = async () => {
      const unit = units[chosen], { width, height } = form();
      const fit = { 'Just Resize': 'fill', 'Crop and Resize': 'cover', 'Resize and Fill': 'contain' }[unit.resize_mode];
      const file = await kit.paint({ width, height, fit, under: preview ?? seen.get(unit.image), mask: seen.get(unit.mask) });
      if (file) await keep('mask')(file);
    };
    const region = (unit) => element('details', { className: 'unit-region', open: !!unit.mask },
      element('summary', { textContent: w.control_mask }), element('p', { textContent: w.control_mask_hint }),
      box(w.control_drop, unit.mask ? thumb(unit.mask, element('img', { alt: w.control_mask })) : null, keep('mask'), 'unit-mask'),
      element('div', { className: 'unit-row' }, button(w.control_paint, paint, { className: 'unit-paint' }),
        unit.mask ? button(w.control_empty, () => change({ mask: '' })) : null));
    const show = () => {
      const unit = units[chosen];
      if (!unit) { editor.replaceChildren(...(line ? [element('p', { className: 'wrong', textContent: line })] : [])); return; }
      const type = unit.type, of = row(unit.preprocessor);
      const choices = rows.filter((r) => !type || r.name === 'none' || r.control === type || r.name === unit.preprocessor);
      const nets = models.filter((m) => !type || !m.control || m.control === type || m.name === unit.model);
      const foreign = unit.model && asked !== null && !models.some((m) => m.name === unit.model);
      const said = line || of.missing || (foreign ? `${fields.model.label}: ${unit.model} ${w.control_wrong_family}.` : '');
      editor.replaceChildren(...[
        element('div', { className: 'unit-types', role: 'radiogroup', ariaLabel: w.control_type }, ...['', ...kit.types].map((name) =>
          button(name || w.control_all, () => (name ? typed(name) : change({ type: '' })), { role: 'radio',
            ariaChecked: name === type, className: `type ${name === type ? 'chosen' : ''}` }))),
        element('div', { className: 'unit-pictures' }, picture(unit), condition()),
        said ? element('p', { className: line === w.control_working ? 'waiting' : 'wrong', role: 'status', textContent: said }) : null,
        element('div', { className: 'unit-fields' },
          select('preprocessor', fields.preprocessor.label, choices.map((r) =>
            [r.name, r.name === 'none' ? `none (${w.control_already})` : r.missing ? `${r.name} (${w.control_needs_weights})` : r.name])),
          select('model', fields.model.label, [['', models.length ? w.control_automatic : w.control_no_model],
            ...(foreign ? [[unit.model, `${unit.model} (${w.control_wrong_family})`]] : []), ...nets.map((m) => [m.name, m.kind === 'ControlNet' ? m.name : `${m.name} (${m.kind})`])]),
          slider('weight', fields.weight.label, fields.weight), slider('start', fields.start.label, fields.start),
          slider('end', fields.end.label, fields.end),
          labelled('pixel_perfect', fields.pixel_perfect.label, element('input', { type: 'checkbox', name: 'pixel_perfect',
            checked: unit.pixel_perfect, onchange: (e) => change({ pixel_perfect: e.target.checked }) })),
          ...own(unit)),
        segments('control_mode', fields.control_mode.label),
        unit.model && best && best !== unit.control_mode && best !== kit.unit.control_mode
          ? element('p', { className: 'waiting', textContent: `${w.control_best_mode} “${best}”.` }) : null,
        segments('resize_mode', fields.resize_mode.label),
        tab === 'txt2img' ? segments('hr_option', fields.hr_option.label) : null, region(unit),
        element('div', { className: 'unit-row' }, button(w.control_copy, () => add({ ...unit }), { className: 'unit-copy' }),
          button(w.control_remove, () => remove(chosen), { className: 'unit-remove' })),
      ].filter((part) => part !== null));
    };

    // -- presets of units ------------------------------------------------------------------------------------------------------
    const presets = element('span', { className: 'unit-presets' });
    const listed = async (found) => {
      const { presets: names } = found ?? await kit.ask('presets', {});
      const list = element('select', { ariaLabel: w.control_presets, title: w.control_presets, onchange: busy(async (e) => {
        const name = e.target.value;
        if (!name) return;
        const loaded = await kit.ask('preset', { name });
        units = loaded.units.map((u) => { const type = row(u.preprocessor).control;
          return { ...known(u), model: u.model || fit(type), on: true, type }; });
        chosen = 0;
        commit();
        remover.hidden = false;
      }) }, element('option', { value: '', textContent: w.control_presets }),
        ...names.map((name) => element('option', { value: name, textContent: name })));
      const remover = button('🗑', busy(async () => { await listed(await kit.ask('forget', { name: list.value })); }),
        { title: w.control_delete, ariaLabel: w.control_delete, hidden: true });
      const saver = button(w.control_save, busy(async () => {
        const name = window.prompt(w.control_preset_name);
        if (name) await listed(await kit.ask('save', { name, units: sent(units.map((u) => ({ ...u, on: true }))) }));
      }), { className: 'unit-save' });
      presets.replaceChildren(list, saver, remover);
    };

    body.replaceChildren(bar, editor);
    take(props.value);
    watch('value', () => { if (JSON.stringify(sent(units)) !== JSON.stringify(props.value || [])) { take(props.value); chips();
      show(); } });
    window.addEventListener('atelier-form', (e) => { if (e.detail === tab && host.open) fitting(); });
    window.addEventListener('atelier-lists', () => { asked = null; if (host.open) fitting(); });
    host.addEventListener('toggle', () => { asked = null; begun(); chips(); show(); if (host.open) fitting(); });
    listed().catch((error) => { line = error.message; show(); });
    chips();
    show();
    if (host.open) fitting();
  };
}
