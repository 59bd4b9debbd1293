// The figure of the OpenPose editor: JSON <-> points, what is done with whole people, and their drawing as SVG. Knows no page.
// `figure`: names, limbs, colours, mirrored of `pipelines/pose/figure.py`. Returns the functions of the last line.
(figure) => {
  const PARTS = ['face', 'hand_left', 'hand_right'];
  const shape = (tag, look) => {
    const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [name, value] of Object.entries(look)) made.setAttribute(name, value);
    return made;
  };

  // -- OpenPose's JSON <-> {width, height, people: [{body: [[x, y, c] | null], face, hand_left, hand_right}]} ----------------
  const triples = (flat) => Array.from({ length: flat.length / 3 }, (_, i) =>
    flat[3 * i + 2] > 0 ? flat.slice(3 * i, 3 * i + 3) : null);
  const read = (data) => ({ width: data.canvas_width, height: data.canvas_height, people: data.people.map((p) => ({
    body: triples(p.pose_keypoints_2d),
    ...Object.fromEntries(PARTS.map((part) => [part, triples(p[`${part}_keypoints_2d`] ?? [])])) })) });
  const written = (pose) => ({ canvas_width: pose.width, canvas_height: pose.height, people: pose.people.map((p) => ({
    pose_keypoints_2d: p.body.flatMap((q) => q ?? [0, 0, 0]),
    ...Object.fromEntries(PARTS.filter((part) => p[part].length).map((part) =>
      [`${part}_keypoints_2d`, p[part].flatMap((q) => q ?? [0, 0, 0])])) })) });

  const changed = (person, change) => Object.fromEntries(['body', ...PARTS].map((part) =>
    [part, person[part].map((q) => q && [...change(q[0], q[1]), q[2]])]));
  const fitted = (pose, width, height) => {
    const k = Math.min(width / pose.width, height / pose.height);
    const dx = (width - pose.width * k) / 2, dy = (height - pose.height * k) / 2;
    return { width, height, people: pose.people.map((p) => changed(p, (x, y) => [x * k + dx, y * k + dy])) };
  };
  const mirrored = (pose) => ({ ...pose, people: pose.people.map((p) => {
    const turned = changed(p, (x, y) => [pose.width - 1 - x, y]);
    return { ...turned, body: figure.mirrored.map((i) => turned.body[i]),
      hand_left: turned.hand_right, hand_right: turned.hand_left };
  }) });
  const middle = (person) => {
    const there = person.body.filter(Boolean);
    return [0, 1].map((i) => there.reduce((sum, q) => sum + q[i], 0) / Math.max(there.length, 1));
  };
  const empty = () => ({ body: figure.names.map(() => null), face: [], hand_left: [], hand_right: [] });

  // -- drawing: as the condition is drawn, limbs at 60 % under the joints -----------------------------------------------------
  const paint = (svg, pose, { joint = 4, chosen = null, outlines = false } = {}) => {
    svg.setAttribute('viewBox', `0 0 ${pose.width} ${pose.height}`);
    const marks = [shape('rect', { width: pose.width, height: pose.height, class: 'canvas' })];
    pose.people.forEach((person, who) => {
      figure.limbs.forEach(([a, b], i) => {
        const [p, q] = [person.body[a], person.body[b]];
        if (!p || !q) return;
        const turn = Math.atan2(p[1] - q[1], p[0] - q[0]) * 180 / Math.PI;
        marks.push(shape('ellipse', { cx: (p[0] + q[0]) / 2, cy: (p[1] + q[1]) / 2, ry: joint,
          rx: Math.hypot(p[0] - q[0], p[1] - q[1]) / 2, fill: `rgb(${figure.colours[i].map((c) => c * 0.6)})`,
          transform: `rotate(${turn} ${(p[0] + q[0]) / 2} ${(p[1] + q[1]) / 2})` }));
      });
      for (const part of PARTS) for (const q of person[part].filter(Boolean)) {
        marks.push(shape('circle', { cx: q[0], cy: q[1], r: joint / 2, fill: part === 'face' ? '#fff' : '#00f' }));
      }
      person.body.forEach((q, i) => {
        if (!q) return;
        if (outlines && chosen?.who === who) {
          marks.push(shape('circle', { cx: q[0], cy: q[1], r: joint * (chosen.point === i ? 2.1 : 1.5), class: 'ring' }));
        }
        marks.push(shape('circle', { cx: q[0], cy: q[1], r: joint, fill: `rgb(${figure.colours[i]})`,
          'data-who': who, 'data-point': i }));
      });
    });
    const [ground, ...figures] = marks;
    svg.replaceChildren(ground, ...svg.querySelectorAll('image'), ...figures);
  };

  return { shape, read, written, changed, fitted, mirrored, middle, paint };
}
