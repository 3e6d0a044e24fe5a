import { useState } from 'preact/hooks';

import { useTexts } from '../i18n';
import { href } from '../route';

/** A way to any user, online or not. */
export function OpenUser() {
  const texts = useTexts();
  const [id, setId] = useState('');
  const submit = (event: Event) => {
    event.preventDefault();
    if (id.trim() !== '') location.hash = href('user', id.trim());
  };
  return (
    <form class="row" role="search" aria-label={texts.text('openUser')} onSubmit={submit}>
      <label>
        {texts.text('openUserLabel')}{' '}
        <input class="medium" value={id} autocomplete="off" spellcheck={false} onInput={(event) => setId(event.currentTarget.value)} />
      </label>
      <button type="submit">{texts.text('open')}</button>
    </form>
  );
}
