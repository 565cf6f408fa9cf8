#!/bin/sh
# Builds finops_viewer/assets/echarts.min.js from entry.js and records what was built. Needs Node and npm.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
assets="$here/../finops_viewer/assets"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cd "$work"
npm install --silent --no-save --no-package-lock echarts@6.1.0 esbuild@0.28.2
cp "$here/entry.js" .
./node_modules/.bin/esbuild entry.js --bundle --minify --format=iife --global-name=echarts --target=es2020 \
  --define:process.env.NODE_ENV='"production"' --legal-comments=inline --outfile="$assets/echarts.min.js"
mkdir -p "$here/../finops_viewer/licenses"
cp node_modules/echarts/LICENSE "$here/../finops_viewer/licenses/echarts-LICENSE.txt"
cp node_modules/echarts/NOTICE "$here/../finops_viewer/licenses/echarts-NOTICE.txt"
cp node_modules/zrender/LICENSE "$here/../finops_viewer/licenses/zrender-LICENSE.txt"
cp node_modules/tslib/LICENSE.txt "$here/../finops_viewer/licenses/tslib-LICENSE.txt"
cd "$assets"
sha256sum echarts.min.js > "$here/echarts.min.js.sha256"
