import type { Selection } from '../api/types';
import { type Key, useTexts } from '../i18n';
import { platformName } from '../platforms';

/** A selection in words. */
export function SelectText({ select }: { select: Selection }) {
  const texts = useTexts();
  const { filters = [], platforms, ...others } = select;
  const parts = filters.map(({ key, op, value }) =>
    [texts.word('', key), texts.word('', op), Array.isArray(value) ? value.join(', ') : value].filter(Boolean).join(' '),
  );
  if (platforms) parts.push(`${texts.text('platforms')}: ${platforms.map(platformName).join(', ')}`);
  for (const [key, value] of Object.entries(others)) {
    const shown = Array.isArray(value) ? value.join(', ') : typeof value === 'boolean' ? texts.text(value ? 'yes' : 'no') : value;
    parts.push(`${texts.word('', key as Key)}: ${shown}`);
  }
  return (
    <span class="text">
      <bdi>{parts.join('; ')}</bdi>
    </span>
  );
}
