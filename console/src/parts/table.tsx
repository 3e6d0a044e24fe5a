// A table that scrolls within itself, so that the page never does sideways.

import type { ComponentChildren } from 'preact';

import { useTexts } from '../i18n';

interface Props {
  /** What the table is of. */
  name: string;
  heads: ComponentChildren;
  children: ComponentChildren;
  /** Whether there is a row. */
  empty?: boolean;
  /** How many columns there are, for the line that says there is no row. */
  columns: number;
}

export function Table({ name, heads, children, empty = false, columns }: Props) {
  const texts = useTexts();
  return (
    // Keys scroll what has the focus.
    <div class="scroll" role="region" aria-label={texts.text('tableOf', { name })} tabIndex={0}>
      <table>
        <caption class="unseen">{name}</caption>
        <thead>
          <tr>{heads}</tr>
        </thead>
        <tbody>
          {empty ? (
            <tr>
              <td colSpan={columns} class="quiet">
                {texts.text('noRows')}
              </td>
            </tr>
          ) : (
            children
          )}
        </tbody>
      </table>
    </div>
  );
}
