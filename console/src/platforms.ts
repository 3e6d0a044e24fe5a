/** The platforms of the gateway by their number; names are the documents' own. */
export const PLATFORMS = [
  ...['IOS', 'Android', 'Windows', 'OSX', 'Web', 'MiniWeb', 'Linux', 'APad', 'IPad', 'Admin', 'HarmonyOS'],
];

export const platformName = (number: number | undefined): string =>
  number === undefined ? '' : (PLATFORMS[number - 1] ?? String(number));
