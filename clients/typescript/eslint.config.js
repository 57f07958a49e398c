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
      // The index signature of process.env needs brackets.
      "@typescript-eslint/dot-notation": "off",
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports" }],
    },
  },
  { files: ["*.js"], extends: [tseslint.configs.disableTypeChecked] },
);
