import type { Order } from '../api/types';
import { useTexts } from '../i18n';
import { stage } from '../progress';

/** How far an order is, in a word. */
export function StageTag({ order }: { order: Order }) {
  const texts = useTexts();
  const at = stage(order);
  return <span class={at === 'done' ? 'tag good' : 'tag'}>{texts.text(`state_${at}`)}</span>;
}
