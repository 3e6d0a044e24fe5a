import { useTexts } from '../i18n';
import { type Draft, UNITS } from '../selection';

interface Props {
  label: string;
  deny: string;
  unit: Draft['denyUnit'];
  onChange: (deny: string, unit: Draft['denyUnit']) => void;
}

/** How long users stay out. */
export function DenyInput({ label, deny, unit, onChange }: Props) {
  const texts = useTexts();
  return (
    <fieldset class="row">
      <legend>{label}</legend>
      <label>
        <span class="unseen">{texts.text('denyFor')}</span>
        <input
          class="short"
          value={deny}
          inputMode="decimal"
          autocomplete="off"
          onInput={(event) => onChange(event.currentTarget.value, unit)}
        />
      </label>
      {(Object.keys(UNITS) as Draft['denyUnit'][]).map((one) => (
        <label key={one}>
          <input type="radio" name={label} checked={unit === one} onChange={() => onChange(deny, one)} /> {texts.text(one)}
        </label>
      ))}
    </fieldset>
  );
}
