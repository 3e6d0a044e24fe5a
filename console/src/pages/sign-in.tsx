import { useEffect, useState } from 'preact/hooks';

import { type Key, type Language, useTexts } from '../i18n';
import { LanguageChoice } from '../parts/language';
import { isSendable } from '../session';

interface Props {
  /** Whether a token is being tried. */
  waiting: boolean;
  notice: string | undefined;
  onLanguage: (language: Language) => void;
  onToken: (token: string) => void;
  onCancel: () => void;
}

export function SignIn({ waiting, notice, onLanguage, onToken, onCancel }: Props) {
  const texts = useTexts();
  const [token, setToken] = useState('');
  const [problem, setProblem] = useState<Key>();
  useEffect(() => {
    document.title = `${texts.text('signIn')} · ${texts.text('title')}`;
  }, [texts]);
  const submit = (event: Event) => {
    event.preventDefault();
    const text = token.trim();
    const wrong = text === '' ? 'tokenNeeded' : isSendable(text) ? undefined : 'tokenForm';
    setProblem(wrong);
    if (wrong) return;
    setToken('');
    onToken(text);
  };
  const told = problem ? texts.text(problem) : notice;
  return (
    <main class="sign-in">
      <div class="row end">
        <LanguageChoice onChange={onLanguage} />
      </div>
      <h1>{texts.text('title')}</h1>
      <div role="status">{told && <p class={problem ? 'banner bad' : 'banner'} id="told">{told}</p>}</div>
      {waiting ? (
        <>
          <p>{texts.text('loading')}</p>
          <button type="button" onClick={onCancel}>
            {texts.text('cancel')}
          </button>
        </>
      ) : (
        <form onSubmit={submit}>
          <label>
            {texts.text('token')}
            <input
              type="password"
              value={token}
              autocomplete="off"
              spellcheck={false}
              aria-invalid={problem !== undefined}
              aria-describedby={told ? 'told' : undefined}
              onInput={(event) => setToken(event.currentTarget.value)}
            />
          </label>
          <button type="submit" class="main">
            {texts.text('signIn')}
          </button>
          <p class="quiet">{texts.text('signInText')}</p>
        </form>
      )}
      <p>
        <a href="../docs/">{texts.text('reference')}</a>
      </p>
    </main>
  );
}
