import { render } from 'preact';

import { Root } from './root';
import './style.css';
import 'uplot/dist/uPlot.min.css';

const place = document.getElementById('app');
if (place) render(<Root />, place);
