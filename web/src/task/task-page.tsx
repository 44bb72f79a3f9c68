import { useParams } from '@tanstack/react-router';
import { Page } from '../ui/page.tsx';

export const TaskPage = () => {
  const { id } = useParams({ from: '/signed-in/tasks/$id' });
  return <Page title={`Task ${id}`}>{null}</Page>;
};
