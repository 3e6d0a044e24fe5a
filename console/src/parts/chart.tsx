// Lines over time, and what they say in words.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type uPlot from 'uplot';

import { useTexts } from '../i18n';
import { clock } from './status';

interface Props {
  name: string;
  /** Seconds since 1970. */
  times: number[];
  lines: { name: string; values: (number | null)[] }[];
}

const HEIGHT = 180;

export function Chart({ name, times, lines }: Props) {
  const texts = useTexts();
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const [dark, setDark] = useState(() => matchMedia('(prefers-color-scheme: dark)').matches);
  const names = lines.map((line) => line.name).join('\n');
  const data = useMemo(() => [times, ...lines.map((line) => line.values)], [times, lines]);
  const enough = times.length > 1;

  useEffect(() => {
    const query = matchMedia('(prefers-color-scheme: dark)');
    const change = () => setDark(query.matches);
    query.addEventListener('change', change);
    return () => query.removeEventListener('change', change);
  }, []);

  useEffect(() => {
    const element = place.current;
    if (!element || !enough) return;
    let gone = false;
    let watch: ResizeObserver | undefined;
    // Charts are not needed for the first paint.
    void import('uplot').then(({ default: UPlot }) => {
      if (gone) return;
      const style = getComputedStyle(element);
      const colour = (property: string) => style.getPropertyValue(property).trim();
      const axis = { stroke: colour('--quiet'), grid: { stroke: colour('--line'), width: 1 }, ticks: { stroke: colour('--line') } };
      plot.current = new UPlot(
        {
          width: element.clientWidth,
          height: HEIGHT,
          cursor: { drag: { x: false, y: false } },
          legend: { live: false },
          scales: { y: { range: (_, low, high) => [Math.min(0, low ?? 0), Math.max(1, (high ?? 0) * 1.05)] } },
          axes: [{ ...axis, values: (_, times) => times.map((time) => clock(texts, time * 1_000)), space: 90 }, { ...axis, size: 60 }],
          series: [
            {},
            ...names.split('\n').map((label, at) => ({ label, stroke: colour(`--line-${at + 1}`), width: 2, points: { show: false } })),
          ],
        },
        data as uPlot.AlignedData,
        element,
      );
      watch = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
      watch.observe(element);
    });
    return () => {
      gone = true;
      watch?.disconnect();
      plot.current?.destroy();
      plot.current = undefined;
    };
    // Data follows below, without a new chart.
  }, [names, dark, enough]);

  useEffect(() => plot.current?.setData(data as uPlot.AlignedData), [data]);

  const said = lines.map((line) => {
    const values = line.values.filter((value) => value !== null);
    const figure = (value: number | undefined) => texts.number(Math.round((value ?? 0) * 100) / 100);
    return texts.text('chartText', {
      name: line.name,
      latest: figure(values.at(-1)),
      lowest: figure(Math.min(...values)),
      highest: figure(Math.max(...values)),
      count: values.length,
    });
  });
  return (
    <figure>
      <figcaption>{name}</figcaption>
      {enough ? (
        <div ref={place} class="chart" role="img" aria-label={`${name}. ${said.join(' ')}`} />
      ) : (
        <p class="quiet">{texts.text('chartWaits')}</p>
      )}
    </figure>
  );
}
