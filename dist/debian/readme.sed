# Makes of README.md the one of the package, where all documents are in one folder, without those for developers.
s,](docs/,](,g
s,\[docs/,[,g
s,\[CHANGELOG\.md\](CHANGELOG\.md),changelog.gz,
s,\[BSD-2-Clause\](LICENSE),BSD-2-Clause,
/^| change TpmFs |/d
