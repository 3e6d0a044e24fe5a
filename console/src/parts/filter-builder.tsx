// Conditions of a list or of an order.

import { type Condition, KEYS, MOST, type Use, operators, problem, takesList, takesValue } from '../filters';
import { type Key, useTexts } from '../i18n';

interface Props {
  conditions: Condition[];
  onChange: (conditions: Condition[]) => void;
  use: Use;
  /** Whether to say what is wrong: not before the reader is done. */
  strict: boolean;
}

export function FilterBuilder({ conditions, onChange, use, strict }: Props) {
  const texts = useTexts();
  const change = (at: number, more: Partial<Condition>) =>
    onChange(conditions.map((one, other) => (other === at ? { ...one, ...more } : one)));
  const changeKey = (at: number, key: string) => {
    const known = operators(key);
    const op = conditions[at]?.op ?? '';
    change(at, { key, op: known.includes(op) ? op : known[0]!, value: KEYS[key] === 'boolean' ? 'true' : '' });
  };
  return (
    <div class="filters">
      {conditions.map((condition, at) => {
        const number = at + 1;
        const wrong = strict ? problem(condition, conditions, use) : undefined;
        return (
          <fieldset class="row" key={at}>
            <legend class="unseen">{texts.text('filter', { number })}</legend>
            <label>
              <span class="unseen">{texts.text('key')}</span>
              <select value={condition.key} onChange={(event) => changeKey(at, event.currentTarget.value)}>
                {Object.keys(KEYS).map((key) => (
                  <option key={key} value={key}>
                    {texts.text(key as Key)}
                  </option>
                ))}
              </select>
            </label>
            <label>
              <span class="unseen">{texts.text('operator')}</span>
              <select value={condition.op} onChange={(event) => change(at, { op: event.currentTarget.value })}>
                {operators(condition.key).map((op) => (
                  <option key={op} value={op}>
                    {texts.text(op as Key)}
                  </option>
                ))}
              </select>
            </label>
            {takesValue(condition.op) && <Value condition={condition} wrong={wrong !== undefined} at={at} onInput={(value) => change(at, { value })} />}
            <button
              type="button"
              aria-label={texts.text('removeFilter', { number })}
              onClick={() => onChange(conditions.filter((_, other) => other !== at))}
            >
              <span aria-hidden="true">✕</span>
            </button>
            {wrong && (
              <p class="wrong" id={`wrong-${at}`}>
                {texts.text(wrong)}
              </p>
            )}
          </fieldset>
        );
      })}
      <button
        type="button"
        disabled={conditions.length >= MOST}
        onClick={() => onChange([...conditions, { key: 'fullName', op: 'MATCH', value: '' }])}
      >
        {texts.text('addFilter')}
      </button>
    </div>
  );
}

interface ValueProps {
  condition: Condition;
  wrong: boolean;
  at: number;
  onInput: (value: string) => void;
}

function Value({ condition, wrong, at, onInput }: ValueProps) {
  const texts = useTexts();
  const kind = KEYS[condition.key];
  const isList = takesList(condition.op);
  const hint = isList ? texts.text('listHint') : kind === 'date' ? texts.text('dateHint') : undefined;
  return (
    <label class="grow">
      <span class="unseen">{texts.text('value')}</span>
      {kind === 'boolean' && !isList ? (
        <select value={condition.value} onChange={(event) => onInput(event.currentTarget.value)}>
          <option value="true">{texts.text('yes')}</option>
          <option value="false">{texts.text('no')}</option>
        </select>
      ) : (
        <input
          value={condition.value}
          placeholder={hint}
          inputMode={kind === 'integer' && !isList ? 'numeric' : 'text'}
          autocomplete="off"
          spellcheck={false}
          aria-invalid={wrong}
          aria-describedby={wrong ? `wrong-${at}` : undefined}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
      )}
    </label>
  );
}
