// Is what is read held still? Runs in the page under test: steadiness.start(scroller), scroll, steadiness.stop().
// It looks in a task after each frame, not in the frame: a ResizeObserver corrects between layout and paint, and a look
// before that sees movement that no reader sees.
window.steadiness = {
  start(scroller) {
    const frames = [],
      tasks = [],
      channel = new MessageChannel();
    let last = null,
      at = performance.now(),
      wheel = 0;
    const onWheel = (event) => {
      wheel += event.deltaY;
    };
    scroller.addEventListener("wheel", onWheel, { passive: true });
    const observer = new PerformanceObserver((list) =>
      tasks.push(...list.getEntries().map((entry) => entry.duration)),
    );
    observer.observe({ entryTypes: ["longtask"] });
    const look = () => {
      const box = scroller.getBoundingClientRect(),
        seen = new Map();
      for (const row of scroller.querySelectorAll(".row[data-id]")) {
        const { top, bottom } = row.getBoundingClientRect();
        if (bottom > box.top && top < box.bottom) seen.set(row.dataset.id, top);
      }
      const moves = [...seen]
        .filter(([id]) => last?.has(id))
        .map(([id, top]) => top - last.get(id))
        .sort((a, b) => a - b);
      const now = performance.now();
      frames.push({
        ms: now - at,
        moved: moves.length ? moves[moves.length >> 1] : null,
        nodes: document.getElementsByTagName("*").length,
        rows: scroller.querySelectorAll(".row").length,
      });
      at = now;
      last = seen;
    };
    channel.port1.onmessage = () => {
      if (!channel.closed) {
        look();
        requestAnimationFrame(() => channel.port2.postMessage(0));
      }
    };
    requestAnimationFrame(() => channel.port2.postMessage(0));
    this.stop = () => {
      channel.closed = true;
      observer.disconnect();
      scroller.removeEventListener("wheel", onWheel);
      const way = Math.sign(wheel),
        moved = frames.reduce((sum, frame) => sum + (frame.moved ?? 0), 0);
      return {
        frames: frames.length,
        p95: frames.map((frame) => frame.ms).sort((a, b) => a - b)[
          Math.floor(frames.length * 0.95)
        ],
        drift: moved + wheel, // 0 when rows moved exactly as far as the wheel turned
        wrongWay: frames.filter((frame) => frame.moved * way > 1).length,
        lost: frames.filter((frame) => frame.moved === null).length - 1, // no row of the frame before is left
        idle: frames
          .slice(-20)
          .reduce((sum, frame) => sum + Math.abs(frame.moved ?? 0), 0),
        nodes: Math.max(...frames.map((frame) => frame.nodes)),
        rows: Math.max(...frames.map((frame) => frame.rows)),
        task: Math.max(0, ...tasks),
      };
    };
  },
};
