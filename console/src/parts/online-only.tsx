import { type Condition, onlineOnly, toggleOnline } from '../filters';
import { useTexts } from '../i18n';

interface Props {
  conditions: Condition[];
  onChange: (conditions: Condition[]) => void;
}

/** The condition that is wanted most. */
export function OnlineOnly({ conditions, onChange }: Props) {
  const texts = useTexts();
  return (
    <label>
      <input type="checkbox" checked={onlineOnly(conditions)} onChange={() => onChange(toggleOnline(conditions))} />{' '}
      {texts.text('onlineOnly')}
    </label>
  );
}
