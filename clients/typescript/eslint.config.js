import js from "@eslint/js";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist", "build", "docs", "src/gen"] },
  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  {
    files: ["**/*.ts"],
    languageOptions: {
      parserOptions: { project: ["./tsconfig.json", "./tsconfig.build.json"], tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      // Numbers and bigints are plain in texts.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // A newer server may send values that an enum does not have.
      "@typescript-eslint/no-unsafe-enum-assignment": "off",
      // Callbacks change what the analysis believes to be constant.
      "@typescript-eslint/no-unnecessary-condition": ["error", { allowConstantLoopConditions: true }],
      // It does not see assignments with ??=.
      "no-unused-private-class-members": "off",
      // It contradicts the rule against non-null assertions.
      "@typescript-eslint/non-nullable-type-assertion-style": "off",
      // Tests of node:test need not be awaited.
      "@typescript-eslint/no-floating-promises": [
        "error",
        { allowForKnownSafeCalls: [{ from: "package", package: "node:test", name: ["test", "describe"] }] },
      ],
      // The index signature of process.env needs brackets.
      "@typescript-eslint/dot-notation": "off",
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports" }],
    },
  },
  { files: ["*.js"], extends: [tseslint.configs.disableTypeChecked] },
);
