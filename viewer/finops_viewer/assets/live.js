// Placeholder
"use strict";
finops.live = { start() {} };
